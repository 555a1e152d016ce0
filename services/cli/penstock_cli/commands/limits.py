"""`penstock limits`: how much of a project or a pool may run at once, and how fast a project may start runs."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.output import Format, Output, command, data, print_json, say


class Scope(StrEnum):
    """What is limited: attempts at once of a project or in a pool; runs that a project starts in a second."""

    PROJECT = "project"
    POOL = "pool"
    STARTS = "starts"


ScopeName = Annotated[Scope, typer.Argument(metavar="SCOPE", help="project, pool or starts.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The project, or the pool.")]


def register(app: typer.Typer) -> None:
    limits = typer.Typer(no_args_is_help=True, help="Limit projects and pools.")
    command(limits, "ls")(ls)
    command(limits, "set")(set_limit)
    command(limits, "unset")(unset)
    app.add_typer(limits, name="limits")


def ls(output: Output = Format.TEXT) -> None:
    """List the limits that are set, and what runs under them."""
    document = Api().limits()
    if output is Format.JSON:
        print_json(document)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("scope", "name", "maximum", "running", "set"):
        table.add_column(heading)
    for limit in document["items"]:
        running = "" if limit["running"] is None else str(limit["running"])
        set_at = formats.date_and_time(limit["set_at"])
        table.add_row(limit["scope"], limit["name"], str(limit["maximum"]), running, set_at)
    data.print(table)
    if not document["items"]:
        say("no limit is set")


def set_limit(
    scope: ScopeName,
    name: Name,
    maximum: Annotated[int, typer.Argument(metavar="MAXIMUM", help="At once; of starts, in a second.")],
    output: Output = Format.TEXT,
) -> None:
    """Let at most MAXIMUM attempts of a project or in a pool run at once, or runs start in a second."""
    limit = Api().set_limit(scope.value, name, maximum)
    if output is Format.JSON:
        print_json(limit)
    else:
        say(f"{scope.value} '{name}' is limited to {limit['maximum']}")


def unset(scope: ScopeName, name: Name, output: Output = Format.TEXT) -> None:
    """Remove a limit."""
    Api().unset_limit(scope.value, name)
    if output is Format.JSON:
        print_json({"scope": scope.value, "name": name})
    else:
        say(f"{scope.value} '{name}' is not limited any more")
