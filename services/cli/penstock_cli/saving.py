"""Saving the file of a workflow or a store at the orchestrator; what is wrong with it is told with its lines."""

import sys
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from penstock.contracts.errors import InvalidInput
from penstock.definition.store import load_store
from penstock_cli.api import Api
from penstock_cli.errors import CommandError, Refused
from penstock_cli.output import say
from penstock_cli.packs import NOT_WORKFLOWS, STORE_FILE, used_first

STANDARD_INPUT = "-"


def read_file(path: Path) -> bytes:
    """A definition's text; `-` is standard input."""
    if str(path) == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error


def is_store_file(path: Path) -> bool:
    """Whether a file declares a store: it is called store.yaml (or .yml, or .json)."""
    return path.stem == Path(STORE_FILE).stem


def is_file(name: str) -> bool:
    """Whether a person who typed `name` meant a file rather than a saved workflow."""
    path = Path(name)
    return name == STANDARD_INPUT or path.suffix in (".yaml", ".yml", ".json") or path.exists()


def invalid_file(path: Path, error: InvalidInput, *, what: str = "workflow") -> CommandError:
    """What is wrong with a definition that was checked here."""
    lines = [problem_line(path, asdict(problem)) for problem in error.problems] or [str(error)]
    return CommandError("\n".join([f"{path} is not a valid {what}", *lines]))


def save_file(api: Api, path: Path) -> tuple[dict[str, Any], bool]:
    """The saved workflow, and whether it is a new version."""
    text = read_file(path)
    try:
        saved, is_new = api.save_workflow(text, is_json=text.lstrip()[:1] == b"{")
    except Refused as refused:
        raise InvalidFile(path, refused.problem) from refused
    for warning in saved.get("warnings") or []:
        say(problem_line(path, {"severity": "warning", **warning}))
    return saved, is_new


def save_store_file(api: Api, path: Path) -> tuple[dict[str, Any], bool]:
    """The saved store, and whether it is a new one."""
    text = read_file(path)
    try:
        name = load_store(text).name
    except InvalidInput as error:
        raise invalid_file(path, error, what="store") from error
    try:
        return api.save_store(name, text, is_json=text.lstrip()[:1] == b"{")
    except Refused as refused:
        raise InvalidFile(path, refused.problem, what="store") from refused


def files_of(path: Path) -> list[Path]:
    """What a path that a person gave stands for: of a folder its store and its workflows."""
    if not path.is_dir():
        return [path]
    workflows = used_first(sorted(file for file in path.glob("*.yaml") if file.name not in NOT_WORKFLOWS))
    store = path / STORE_FILE
    found = [store, *workflows] if store.is_file() else workflows
    if not found:
        raise CommandError(f"{path}: no .yaml file in this folder")
    return found


class InvalidFile(Refused):
    """A definition that was refused: each problem on a line of its own, as compilers do it."""

    def __init__(self, path: Path, problem: dict[str, Any], *, what: str = "workflow") -> None:
        super().__init__(problem)
        lines = [problem_line(path, error) for error in problem.get("errors") or []]
        if lines:
            self.args = ("\n".join([f"{path} is not a valid {what}", *lines]),)


def problem_line(path: Path, problem: dict[str, Any]) -> str:
    """`guard.yaml:12: error: nodes.scan.agent: …`."""
    where = f"{path}:{problem['line']}" if problem.get("line") else str(path)
    path_and_message = f"{problem.get('path') or '(the whole)'}: {problem['message']}"
    return f"{where}: {problem.get('severity') or 'error'}: {path_and_message}"
