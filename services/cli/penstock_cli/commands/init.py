"""`penstock init`: a shipped pack, or an almost empty one, as the starting point of one's own."""

import os
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from penstock.contracts.names import did_you_mean
from penstock_cli.embedded.stack import packs_folder
from penstock_cli.errors import CommandError
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.packs import agents_of, description_of, workflows_of

BLANK = "blank"
_UP_TO_DOCS = "](../../../docs/"  # as a shipped pack links
_COPIED_NOT = ("__pycache__", "*.pyc", ".*")


def register(app: typer.Typer) -> None:
    command(app, "init")(init)


def init(
    pack: Annotated[str | None, typer.Argument(help="The pack to copy; none: list them.")] = None,
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; a new or empty folder. Default: the pack's name.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Copy a pack as the starting point of your own. Needs no server."""
    packs = _packs()
    if pack is None:
        _list(packs, output)
        return
    if pack not in packs:
        raise CommandError(f"no pack named '{pack}'{did_you_mean(pack, packs)}; there are {', '.join(packs)}")
    target = folder or Path(pack)
    _copy(packs[pack], target)
    document = _document(pack, target)
    if output is Format.JSON:
        print_json(document)
        return
    _show_next(document)


def _packs() -> dict[str, Path]:
    shipped = {path.name: path for path in sorted(packs_folder().iterdir()) if (path / "agents").is_dir()}
    return {BLANK: packs_folder().parent / "blank-pack", **shipped}


def _list(packs: dict[str, Path], output: Format) -> None:
    if output is Format.JSON:
        print_json([_document(name, path) for name, path in packs.items()])
        return
    table = Table("pack", "workflows", "", box=None, pad_edge=False, header_style="dim")
    for name, path in packs.items():
        table.add_row(name, ", ".join(workflows_of(path)), description_of(path))
    data.print(table)


def _copy(source: Path, target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CommandError(f"{target}: expected a new or empty folder, for nothing is overwritten")
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_COPIED_NOT), dirs_exist_ok=True)
    _point_readme(target, shipped=source.relative_to(packs_folder().parent))


def _point_readme(target: Path, *, shipped: Path) -> None:
    """Its commands name the copy, and its links lead to the documents that Penstock has here."""
    readme = target / "README.md"
    if not readme.is_file():
        return
    root = packs_folder().parents[1]
    text = readme.read_text().replace(_UP_TO_DOCS, f"]({os.path.relpath(root / 'docs', target)}/")
    readme.write_text(
        text.replace(f"shared/{shipped}/", f"{target}/").replace(f"shared/{shipped}", str(target))
    )


def _document(name: str, folder: Path) -> dict[str, Any]:
    return {
        "pack": name,
        "description": description_of(folder),
        "folder": str(folder),
        "workflows": workflows_of(folder),
        "agents": agents_of(folder),
    }


def _show_next(document: dict[str, Any]) -> None:
    folder = document["folder"]
    say(f"copied pack '{document['pack']}' to {folder}: {', '.join(document['workflows'])}")
    say(f"{folder}/README.md says what it does. Start Penstock with it; what has the same name as something")
    say("that ships takes its place:")
    data.print(f"penstock up --agents {folder}", soft_wrap=True)
    say("and when you have changed a workflow:")
    data.print(f"penstock apply {folder}", soft_wrap=True)
