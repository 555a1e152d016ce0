"""`penstock validate|graph|schema`, which need no server, and `penstock apply`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.workflow import WorkflowDefinition
from penstock.definition import check, from_document, load
from penstock.definition.schema import agent_schema, workflow_schema
from penstock.definition.store import check_store
from penstock_cli import drawing
from penstock_cli.api import Api
from penstock_cli.drawing import GraphFormat
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.saving import (
    files_of,
    invalid_file,
    is_file,
    is_store_file,
    problem_line,
    read_file,
    save_file,
    save_store_file,
)
from penstock_cli.upcoming import show_upcoming, upcoming

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE|FOLDER…", help="YAML or JSON; - is standard input.")
]


class Schema(StrEnum):
    WORKFLOW = "workflow"
    AGENT = "agent"


@dataclass(frozen=True)
class _Checked:
    """A file, what is wrong with it, and when its schedules would tick."""

    path: Path
    problems: list[Problem]
    schedules: Sequence[dict[str, Any]] = ()

    @property
    def is_valid(self) -> bool:
        return all(problem.severity != "error" for problem in self.problems)


def register(app: typer.Typer) -> None:
    command(app, "validate")(validate)
    command(app, "graph")(graph)
    command(app, "apply")(apply)
    command(app, "schema")(schema)


def validate(files: Files, output: Output = Format.TEXT) -> None:
    """Check files of workflows and stores; exit 1 if one has an error. Needs no server.

    Of a valid one with schedules, the next ten times of each are printed.
    """
    found = [_check(path) for given in files for path in files_of(given)]
    if output is Format.JSON:
        print_json([_verdict(each) for each in found])
    for each in found:
        for problem in each.problems:
            say(problem_line(each.path, _document(problem)))
        if each.is_valid:
            say(f"{each.path}: valid")
        if output is Format.TEXT:
            show_upcoming(each.schedules)
    if not all(each.is_valid for each in found):
        raise typer.Exit(1)


def graph(
    workflow: Annotated[str, typer.Argument(metavar="FILE|WORKFLOW", help="A file, or a saved workflow.")],
    shape: Annotated[GraphFormat, typer.Option("--format", help="How to draw it.")] = GraphFormat.TEXT,
    output: Output = Format.TEXT,
) -> None:
    """Draw a workflow's graph. Needs no server for a file."""
    definition = _definition(workflow)
    if output is Format.JSON:
        print_json(drawing.as_document(definition))
        return
    draw = {
        GraphFormat.TEXT: drawing.as_text,
        GraphFormat.MERMAID: drawing.as_mermaid,
        GraphFormat.DOT: drawing.as_dot,
    }[shape]
    data.print(draw(definition), markup=False, soft_wrap=True)


def apply(files: Files, output: Output = Format.TEXT) -> None:
    """Save workflows and stores; of a folder, its store.yaml and all its workflows.

    An unchanged workflow makes no new version.
    """
    api = Api()
    saved = [(path, *_saved(api, path)) for given in files for path in files_of(given)]
    if output is Format.JSON:
        print_json([document for _, document, _ in saved])
        return
    for path, document, is_new in saved:
        if is_store_file(path):
            say(f"{path}: store {document['name']} {'saved' if is_new else 'is up to date'}")
        else:
            verb = "saved" if is_new else "unchanged"
            say(f"{path}: {document['name']} v{document['version']} {verb}")


def _saved(api: Api, path: Path) -> tuple[dict[str, Any], bool]:
    return save_store_file(api, path) if is_store_file(path) else save_file(api, path)


def schema(
    kind: Annotated[Schema, typer.Argument(help="Of what.")] = Schema.WORKFLOW, output: Output = Format.TEXT
) -> None:
    """Print the JSON Schema of workflow files or of agent.yaml."""
    print_json(workflow_schema() if kind is Schema.WORKFLOW else agent_schema())


def _definition(name: str) -> WorkflowDefinition:
    if is_file(name):
        try:
            return load(read_file(Path(name))).definition
        except InvalidInput as error:
            raise invalid_file(Path(name), error) from error
    return from_document(Api().workflow(name)["definition"])


def _check(path: Path) -> _Checked:
    text = read_file(path)
    if is_store_file(path):
        return _Checked(path, check_store(text))
    checked = _Checked(path, check(text))
    if not checked.is_valid:
        return checked
    return replace(checked, schedules=upcoming(load(text).definition, after=datetime.now(UTC)))


def _verdict(checked: _Checked) -> dict[str, Any]:
    return {
        "file": str(checked.path),
        "valid": checked.is_valid,
        "problems": [_document(problem) for problem in checked.problems],
        "schedules": checked.schedules,
    }


def _document(problem: Problem) -> dict[str, Any]:
    return {
        "path": problem.path,
        "message": problem.message,
        "line": problem.line,
        "severity": problem.severity,
    }
