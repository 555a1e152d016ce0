"""`penstock runs`: look at runs, and steer them."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import WAIT_S_MAX, Api
from penstock_cli.commands import steering
from penstock_cli.commands.fork import fork
from penstock_cli.commands.models import models
from penstock_cli.commands.run import finish
from penstock_cli.commands.steering import Run
from penstock_cli.follow import event_line
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.parts import subject_of
from penstock_cli.summary import fetch_artifacts, show_summary

FOLLOW_LOGS_S = 0.5


def register(app: typer.Typer) -> None:
    runs = typer.Typer(no_args_is_help=True, help="Look at runs, and steer them.")
    for name, function in (
        ("ls", ls),
        ("get", get),
        ("events", events),
        ("logs", logs),
        ("explain", explain),
    ):
        command(runs, name)(function)
    command(runs, "items")(items)
    command(runs, "models")(models)
    steering.register(runs)
    command(runs, "fork")(fork)
    app.add_typer(runs, name="runs")


def ls(
    workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state, such as running or failed.")] = None,
    label: Annotated[str | None, typer.Option(metavar="KEY:VALUE", help="Only with this label.")] = None,
    parent: Annotated[str | None, typer.Option(help="Only sub-workflows that this run started.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Continue a former page.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """List runs, newest first."""
    filters = {
        "workflow": workflow,
        "state": state,
        "label": label,
        "parent": parent,
        "active": "true" if active else None,
        "limit": limit,
        "cursor": cursor,
    }
    page = Api().runs(filters)
    if output is Format.JSON:
        print_json(page)
        return
    data.print(_table(page["items"]))
    if page["next"]:
        say(f"there are more: --cursor {page['next']}")


def _table(runs: list[dict[str, Any]]) -> Table:
    """A line for each run; numbers within subjects only where there are any."""
    numbered = any(run["subject"] for run in runs)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (
        "run",
        "workflow",
        "state",
        "done",
        "started",
        "took",
        *(["subject"] if numbered else []),
    ):
        table.add_column(heading, no_wrap=True)
    for run in runs:
        took = formats.duration(formats.seconds_between(run["created_at"], run["ended_at"]))
        done, started = f"{run['progress']['percent']} %", formats.date_and_time(run["created_at"])
        name = f"{run['workflow']} v{run['version']}"
        cells = [run["id"], name, formats.state(run["state"]), done, started, took]
        subject = Text(subject_of(run))
        table.add_row(*cells, *([subject] if numbered else []))
    return table


def get(
    run: Run,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit 0 only if it succeeds.")] = False,
    download: Annotated[
        Path | None, typer.Option(help="Save the output's artifacts into this folder.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Show a run with its nodes."""
    api = Api()
    found = api.run(run)
    if wait:
        finish(api, found, wait=True, download=download, output=output)
        return
    if output is Format.JSON:
        print_json(found)
    else:
        show_summary(found)
    fetch_artifacts(api, found, download)


def events(
    run: Run,
    after: Annotated[int, typer.Option(help="Only events after this sequence number.")] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more, until the run has ended.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Show a run's timeline; with -o json, one event on each line."""
    api = Api()
    while True:
        page = api.events(run, after=after, wait_s=WAIT_S_MAX / 2 if follow else 0)
        for event in page["items"]:
            _print_line(event, f"{event['seq']:>5}  {event_line(event)}", output)
            after = event["seq"]
        if page["next"] is None or (not follow and not page["items"]):
            return


def logs(
    run: Run,
    node: Annotated[str | None, typer.Argument(metavar="NODE", help="All nodes when left out.")] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="Another attempt than the latest.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more, until the node has ended.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Show what agents wrote to their log.

    With -o json, one document for each line.
    """
    api = Api()
    names = [node] if node else [n["name"] for n in api.run(run)["nodes"] if n["attempt"]]
    for name in names:
        prefix = "" if node else f"{name}  "
        _print_log(api, run, name, attempt=attempt, follow=follow, prefix=prefix, output=output)


def items(
    run: Run,
    node: Annotated[str, typer.Argument(metavar="NODE", help="A node with `foreach`.")],
    state: Annotated[str | None, typer.Option(help="Only in this state, such as failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Continue a former page.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """List the items of a node; of one of them: penstock runs logs RUN 'NODE[17]'."""
    page = Api().items(run, node, {"state": state, "limit": limit, "cursor": cursor})
    if output is Format.JSON:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("item", "state", "attempt", "time", "output", ""):
        table.add_column(heading, no_wrap=True)
    for item in page["items"]:
        took = formats.duration(formats.seconds_between(item["started_at"], item["ended_at"]))
        size = "" if item["output_bytes"] is None else formats.size(item["output_bytes"])
        name, failure = f"{node}[{item['index']}]", Text(formats.failure(item["failure"])[:80], "red")
        table.add_row(Text(name), formats.state(item["state"]), str(item["attempt"]), took, size, failure)
    data.print(table)
    if page["next"]:
        say(f"there are more: --cursor {page['next']}")


def explain(run: Run, output: Output = Format.TEXT) -> None:
    """Say why each unfinished node of a run is not running."""
    document = Api().explain(run)
    if output is Format.JSON:
        print_json(document)
        return
    data.print(document["sentence"], markup=False, soft_wrap=True)
    for node in document["nodes"]:
        data.print(formats.state(node["state"]), Text(f"{node['node']}: {node['sentence']}"))


def _print_log(
    api: Api, run: str, node: str, *, attempt: int | None, follow: bool, prefix: str, output: Format
) -> None:
    after = 0
    while True:
        ended = (
            not follow or api.node(run, node)["state"] in formats.NODE_ENDED
        )  # asked first: then nothing is missed
        while True:
            page = api.logs(run, node, attempt=attempt, after=after)
            for line in page["items"]:
                _print_line(
                    {"node": node, **line}, f"{prefix}{formats.clock(line['at'])}  {line['text']}", output
                )
                after, attempt = line["line"], line["attempt"]
            if page["next"] is None:
                break
        if ended:
            return
        time.sleep(FOLLOW_LOGS_S)


def _print_line(document: dict[str, Any], text: str, output: Format) -> None:
    if output is Format.JSON:
        print_json(document)
    else:
        data.print(text, markup=False, soft_wrap=True)
