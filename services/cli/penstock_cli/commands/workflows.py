"""`penstock workflows`: what is saved, and whether it may start; `penstock diff`: what a version changes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock.contracts.errors import InvalidInput
from penstock.definition import load
from penstock.definition.diff import diff as changes_between
from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.changes import change_lines
from penstock_cli.commands import pausing
from penstock_cli.errors import CommandError
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.saving import invalid_file, is_file, read_file

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's name.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")]
Cursor = Annotated[str | None, typer.Option(help="Continue a former page.")]


def register(app: typer.Typer) -> None:
    workflows = typer.Typer(
        no_args_is_help=True, help="Look at saved workflows, switch them on and off, pause them."
    )
    command(workflows, "ls")(ls)
    command(workflows, "versions")(versions)
    command(workflows, "activate")(activate)
    command(workflows, "deactivate")(deactivate)
    pausing.register(workflows)
    app.add_typer(workflows, name="workflows")
    command(app, "diff")(diff)


def ls(
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    output: Output = Format.TEXT,
) -> None:
    """List workflows by name, with their latest version."""
    wanted = None if active is None else str(active).lower()
    page = Api().workflows({"active": wanted, "limit": limit, "cursor": cursor})
    rows = [
        (item["name"], f"v{item['version']}", _active(item), _saved_at(item), item["description"])
        for item in page["items"]
    ]
    _show(page, ("workflow", "latest", "starts", "saved", "description"), rows, output)


def versions(
    workflow: Workflow, limit: Limit = 50, cursor: Cursor = None, output: Output = Format.TEXT
) -> None:
    """List a workflow's versions, newest first."""
    page = Api().versions(workflow, {"limit": limit, "cursor": cursor})
    rows = [
        (
            f"v{item['version']}" + (" (latest)" if item["latest"] else ""),
            _active(item) if item["latest"] else Text(""),
            str(item["runs_open"]),
            _saved_at(item),
            item["digest"][:12],
            item["description"],
        )
        for item in page["items"]
    ]
    _show(page, ("version", "starts", "open runs", "saved", "digest", "description"), rows, output)


def activate(workflow: Workflow, output: Output = Format.TEXT) -> None:
    """Allow new runs of a workflow."""
    _switch(workflow, output, active=True)


def deactivate(workflow: Workflow, output: Output = Format.TEXT) -> None:
    """Refuse new runs of a workflow; those that run go on."""
    _switch(workflow, output, active=False)


def diff(
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="WORKFLOW|FILE", help="A saved workflow, or a file to compare with what is saved."
        ),
    ],
    before: Annotated[
        int | None, typer.Option("--from", min=1, help="The older version; else the one before.")
    ] = None,
    after: Annotated[
        int | None, typer.Option("--to", min=1, help="The newer version; else the latest.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Show what differs between two versions, or between a version and a file.

    A file is compared with the latest version, or with that of --from.
    """
    found = _file_diff(workflow, before, after) if is_file(workflow) else Api().diff(workflow, before, after)
    if output is Format.JSON:
        print_json(found)
        return
    name, is_saved = found["name"], found["to"] is not None
    title = f"{name} v{found['to']}" if is_saved else workflow
    if not found["changes"]:
        say(f"no difference between {name} v{found['from']} and {title}")
        return
    data.print(Text(f"--- {name} v{found['from']}\n+++ {title}", "bold"), soft_wrap=True)
    for change in found["changes"]:
        data.print(change_lines(change), soft_wrap=True)


def _file_diff(name: str, before: int | None, after: int | None) -> dict[str, Any]:
    """A file against a saved version, in the API's words; there is no number to go `to`."""
    if after is not None:
        raise CommandError(f"--to {after}: a file is the newer side itself; name the version with --from")
    path = Path(name)
    try:
        loaded = load(read_file(path))
    except InvalidInput as error:
        raise invalid_file(path, error) from error
    saved = Api().workflow(loaded.definition.name, before)
    changes = changes_between(saved["definition"], loaded.document)
    return {
        "name": saved["name"],
        "from": saved["version"],
        "to": None,
        "changes": [
            {
                "kind": change.kind.value,
                "node": change.node,
                "path": change.path,
                "before": change.before,
                "after": change.after,
            }
            for change in changes
        ],
        "nodes": list(dict.fromkeys(change.node for change in changes if change.node is not None)),
    }


def _switch(workflow: str, output: Format, *, active: bool) -> None:
    switched = Api().switch_workflow(workflow, active=active)
    if output is Format.JSON:
        print_json(switched)
        return
    what = "starts new runs" if active else "starts no new runs; open ones go on"
    say(f"{switched['name']} is {'active' if active else 'inactive'}: it {what}")


def _show(
    page: dict[str, Any], headings: tuple[str, ...], rows: Sequence[tuple[str | Text, ...]], output: Format
) -> None:
    if output is Format.JSON:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "description")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    data.print(table)
    if page["next"]:
        say(f"there are more: --cursor {page['next']}")


def _active(item: dict[str, Any]) -> Text:
    if item.get("paused"):
        return Text("paused", "yellow")
    return Text("yes", "green") if item["active"] else Text("no", "yellow")


def _saved_at(item: dict[str, Any]) -> str:
    return formats.date_and_time(item["created_at"])
