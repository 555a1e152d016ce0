"""Dependencies that a tree declares, and what the project says of its own license."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from guard.handover import log
from guard.tree import SourceFile

_GO = re.compile(r"^\s*(?:require\s+)?([\w.-]+\.[\w.-]+/\S+)\s+v\S+")
_REQUIREMENTS = re.compile(r"^(.*[-_.])?requirements.*\.(txt|in)$|^constraints.*\.txt$")


@dataclass(frozen=True)
class Declared:
    """A dependency (of python, node, rust, go), or the project itself: then `license` is a string."""

    ecosystem: str
    name: str
    file: str
    line: int
    license: str | None = None

    def key(self) -> tuple[str, str]:
        name = canonicalize_name(self.name) if self.ecosystem == "python" else self.name
        return self.ecosystem, name


def scan(file: SourceFile) -> Iterator[Declared]:
    """What the file declares; nothing if it is no manifest or cannot be read."""
    name = PurePosixPath(file.name).name
    reader = _READERS.get(name) or (_requirements if _REQUIREMENTS.match(name) else None)
    try:
        yield from reader(file) if reader else ()
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        log(f"{file.name}: cannot be read: {error}")


def _requirements(file: SourceFile) -> Iterator[Declared]:
    for number, line in enumerate(file.text().splitlines(), start=1):
        text = re.sub(r"(^|\s)#.*|\s+--hash=\S+|\\$", "", line).strip()
        if text and not text.startswith("-") and (name := _requirement(text)):
            yield Declared("python", name, file.name, number)


def _requirement(text: str) -> str | None:
    try:
        return Requirement(text).name
    except InvalidRequirement:
        return None


def _pyproject(file: SourceFile) -> Iterator[Declared]:
    document = tomllib.loads(file.text())
    project = document.get("project", {})
    poetry = document.get("tool", {}).get("poetry", {})
    own = project.get("license", poetry.get("license"))
    text = own.get("text") if isinstance(own, dict) else own
    if name := project.get("name", poetry.get("name")):
        yield Declared("python", name, file.name, _line(file, "license"), license=text or "")
    groups = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    groups += document.get("dependency-groups", {}).values()
    texts = [text for group in groups for text in group if isinstance(text, str)]
    names = [name for text in texts if (name := _requirement(text))]
    names += [name for name in poetry.get("dependencies", {}) if name != "python"]
    yield from (Declared("python", name, file.name, _line(file, name)) for name in names)


def _package_json(file: SourceFile) -> Iterator[Declared]:
    document = json.loads(file.text())
    if name := document.get("name"):
        own = str(document.get("license", ""))
        yield Declared("node", name, file.name, _line(file, '"license"'), license=own)
    for group in ("dependencies", "devDependencies", "optionalDependencies"):
        for name in document.get(group, {}):
            yield Declared("node", name, file.name, _line(file, f'"{name}"'))


def _cargo(file: SourceFile) -> Iterator[Declared]:
    document = tomllib.loads(file.text())
    package: dict[str, Any] = document.get("package", {})
    if name := package.get("name"):
        own = str(package.get("license", ""))
        yield Declared("rust", name, file.name, _line(file, "license"), license=own)
    for group in ("dependencies", "dev-dependencies", "build-dependencies"):
        for name, wanted in document.get(group, {}).items():
            real = wanted.get("package", name) if isinstance(wanted, dict) else name
            yield Declared("rust", real, file.name, _line(file, name))


def _go_mod(file: SourceFile) -> Iterator[Declared]:
    for number, line in enumerate(file.text().splitlines(), start=1):
        match = _GO.match(line)
        if match and not line.startswith("module"):
            yield Declared("go", match[1], file.name, number)


def _line(file: SourceFile, text: str) -> int:
    return next((n for n, line in enumerate(file.text().splitlines(), start=1) if text in line), 1)


_READERS: dict[str, Callable[[SourceFile], Iterator[Declared]]] = {
    "pyproject.toml": _pyproject,
    "package.json": _package_json,
    "Cargo.toml": _cargo,
    "go.mod": _go_mod,
}
