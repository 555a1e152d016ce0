"""A dependency's license as its installed copy states it. Nothing is asked over the network.

Looked for in the tree first (virtual environments, node_modules, vendor), then, for Python, in the
environment of this agent: that is another installation of the same name, and the evidence says so.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from pathlib import Path

import expressions
import texts
from guard.dependencies import Declared
from item import Item
from packaging.utils import canonicalize_name

_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Installed:
    """Where installed copies can be: the tree's own environments, and this agent's."""

    root: Path
    environments: tuple[Path, ...]


def installed(root: Path) -> Installed:
    found = [
        path for name in (".venv", "venv", "env") for path in root.glob(f"{name}/lib/python3*/site-packages")
    ]
    return Installed(root=root, environments=tuple(sorted(found)))


def item_of(declared: Declared, *, installed: Installed) -> Item:
    if declared.license is not None:
        alternatives, written = expressions.readings(declared.license), declared.license
        evidence = "declared by the project" if written else "the project declares none"
    else:
        alternatives, written, evidence = _LOOKUPS[declared.ecosystem](declared.name, installed)
    return Item(
        kind="dependency" if declared.license is None else "project",
        name=declared.name,
        alternatives=alternatives,
        written=written,
        evidence=evidence,
        file=declared.file,
        line=declared.line,
    )


Answer = tuple[tuple[str, ...], str, str]  # readings, as written, evidence
NOTHING: Answer = ((), "", "no installed copy in the tree")


def _python(name: str, installed: Installed) -> Answer:
    places = [(str(path), "in the tree") for path in installed.environments]
    for path, where in [*places, (None, "in the checker's environment")]:
        distribution = _distribution(name, path)
        if distribution is not None:
            readings, written = _stated(distribution)
            return readings, written, f"metadata of {name} {distribution.version} {where}"
    return (), "", "not installed in the tree nor in the checker's environment"


def _distribution(name: str, path: str | None) -> Distribution | None:
    context = DistributionFinder.Context(name=canonicalize_name(name), **({"path": [path]} if path else {}))
    return next(iter(MetadataPathFinder.find_distributions(context)), None)


def _stated(distribution: Distribution) -> tuple[tuple[str, ...], str]:
    """The first field of the metadata that can be read as a license, else what its license file is."""
    written = list(_fields(distribution))
    for text in written:
        if readings := expressions.readings(text):
            return readings, text
    for file in distribution.files or ():
        if ".dist-info" in str(file) and file.name.lower().startswith(("license", "licence", "copying")):
            return texts.of_file(Path(str(file.locate()))), ""
    return (), next((text for text in written if len(text) < 60), "")


def _fields(distribution: Distribution) -> Iterator[str]:
    metadata = distribution.metadata
    yield from metadata.get_all("License-Expression") or ()
    yield from metadata.get_all("License") or ()
    for classifier in metadata.get_all("Classifier") or ():
        if classifier.startswith(_CLASSIFIER):
            yield classifier.rsplit(" :: ", 1)[-1]


def _node(name: str, installed: Installed) -> Answer:
    path = installed.root / "node_modules" / name / "package.json"
    if not path.is_file():
        return NOTHING
    try:
        stated = json.loads(path.read_text(encoding="utf-8")).get("license", "")
    except (ValueError, AttributeError):
        stated = ""
    text = stated.get("type", "") if isinstance(stated, dict) else str(stated)
    return expressions.readings(text), text, f"node_modules/{name}/package.json"


def _rust(name: str, installed: Installed) -> Answer:
    path = installed.root / "vendor" / name / "Cargo.toml"
    if not path.is_file():
        return NOTHING
    try:
        text = str(tomllib.loads(path.read_text(encoding="utf-8")).get("package", {}).get("license", ""))
    except ValueError:
        text = ""
    return expressions.readings(text.replace("/", " OR ")), text, f"vendor/{name}/Cargo.toml"


def _go(name: str, installed: Installed) -> Answer:
    folder = installed.root / "vendor" / name
    license_file = next((path for path in sorted(folder.glob("LICEN[CS]E*")) if path.is_file()), None)
    if license_file is None:
        return NOTHING
    return texts.of_file(license_file), "", f"vendor/{name}/{license_file.name}"


_LOOKUPS = {"python": _python, "node": _node, "rust": _rust, "go": _go}
