"""Dependencies: declared, and with versions that make another machine the same."""

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from paper.finding import Evidence, Finding, Outcome, by_share
from paper.repository_tree import RepositoryTree

_LOCKS = ("poetry.lock", "uv.lock", "pdm.lock", "pipfile.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml",
          "cargo.lock", "renv.lock", "manifest.toml", "conda-lock.yml", "go.sum")  # fmt: skip
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?P<pin>[=<>!~^].*|@.*)?$")
_EXACT = re.compile(r"^(?:===?\s*[\w.*+!-]+|@\s*git\+\S+@[0-9a-f]{7,}|@\s*\S+#\S+)")


@dataclass(frozen=True)
class Dependency:
    name: str
    pin: str  # "" if any version will do
    file: str
    line: int

    @property
    def exact(self) -> bool:
        return bool(_EXACT.match(self.pin.split(";")[0].strip()))


def pinning_finding(tree: RepositoryTree) -> Finding:
    title = "Dependencies are declared with exact versions"
    locks = tree.named(*_LOCKS)
    declared = dependencies_in(tree)
    if locks:
        return Finding(
            "repository", "pinned", title, "passed", locks[0], 3, evidence=(Evidence(file=locks[0], line=1),)
        )
    if not declared:
        said = "no requirements.txt, pyproject.toml, environment.yml, package.json, DESCRIPTION or lock file says any"
        return Finding("repository", "pinned", title, "failed", said, 3)
    loose = [each for each in declared if not each.exact]
    share = 1 - len(loose) / len(declared)
    outcome: Outcome = by_share(share, good=0.9, some=0.0)
    said = f"{len(declared) - len(loose)} of {len(declared)} have one exact version"
    evidence = tuple(
        Evidence(f"{each.name} {each.pin}".strip(), file=each.file, line=each.line) for each in loose[:8]
    )
    return Finding("repository", "pinned", title, outcome, said, 3, evidence=evidence)


def dependencies_in(tree: RepositoryTree) -> list[Dependency]:
    found = [each for path in tree.files for each in _of_file(tree, path)]
    return list({(each.name.lower(), each.file): each for each in found}.values())


def _of_file(tree: RepositoryTree, path: str) -> Iterator[Dependency]:
    name = path.rpartition("/")[2].lower()
    if re.fullmatch(r"requirements[\w.-]*\.(?:txt|in)", name):
        yield from _requirements(tree, path)
    elif name == "pyproject.toml":
        yield from _pyproject(tree, path)
    elif name in ("environment.yml", "environment.yaml"):
        yield from _conda(tree, path)
    elif name == "package.json":
        yield from _node(tree, path)
    elif name == "description" and "/" not in path:
        yield from _r(tree, path)


def _requirements(tree: RepositoryTree, path: str) -> Iterator[Dependency]:
    for _, number, line in tree.lines([path]):
        if match := _REQUIREMENT.match(line.split(" #")[0].split(" \\")[0].strip()):
            yield Dependency(match["name"], (match["pin"] or "").strip(), path, number)


def _pyproject(tree: RepositoryTree, path: str) -> Iterator[Dependency]:
    with suppress(tomllib.TOMLDecodeError, AttributeError):
        said = tomllib.loads(tree.text(path))
        for text in said.get("project", {}).get("dependencies", []):
            if isinstance(text, str) and (match := _REQUIREMENT.match(text.strip())):
                yield Dependency(
                    match["name"], (match["pin"] or "").strip(), path, _line_of(tree, path, match["name"])
                )
        for name, version in said.get("tool", {}).get("poetry", {}).get("dependencies", {}).items():
            if isinstance(version, str) and name != "python":
                pin = f"=={version}" if version[:1].isdigit() else version
                yield Dependency(name, pin, path, _line_of(tree, path, name))


def _conda(tree: RepositoryTree, path: str) -> Iterator[Dependency]:
    for _, number, line in tree.lines([path]):
        match = re.match(r"^\s*-\s*(?P<name>[A-Za-z][\w.-]*)\s*(?P<pin>[=<>~].*)?$", line)
        if match and match["name"] not in ("defaults", "conda-forge", "pip", "nodefaults"):
            pin = (match["pin"] or "").strip()
            exact = f"={pin}" if re.match(r"^=[^=]", pin) else pin  # conda writes one sign
            yield Dependency(match["name"], exact, path, number)


def _node(tree: RepositoryTree, path: str) -> Iterator[Dependency]:
    with suppress(json.JSONDecodeError, AttributeError):
        said = json.loads(tree.text(path))
        for name, version in {**said.get("dependencies", {}), **said.get("devDependencies", {})}.items():
            pin = f"=={version}" if str(version)[:1].isdigit() else str(version)
            yield Dependency(name, pin, path, _line_of(tree, path, name))


def _r(tree: RepositoryTree, path: str) -> Iterator[Dependency]:
    for _, number, line in tree.lines([path]):
        match = re.match(
            r"^(?:Imports:|Depends:)?\s+(?P<name>[A-Za-z][\w.]*)\s*(?:\((?P<pin>[^)]*)\))?,?\s*$", line
        )
        if match:
            yield Dependency(match["name"], match["pin"] or "", path, number)


def _line_of(tree: RepositoryTree, path: str, name: str) -> int:
    return next((number for _, number, line in tree.lines([path]) if name in line), 1)
