"""`penstock events`: tell Penstock of something that happened elsewhere, and see what others told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.errors import CommandError
from penstock_cli.output import Format, Output, command, data, print_json, say

SOURCE_DEFAULT = "/penstock/cli"
DATA_CHARS_MAX = 80  # of an event's data in the table


def register(app: typer.Typer) -> None:
    events = typer.Typer(
        no_args_is_help=True, help="Events from other systems, which start workflows and wake nodes."
    )
    command(events, "send")(send)
    command(events, "ls")(ls)
    app.add_typer(events, name="events")


def send(
    type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as com.github.push.")],
    source: Annotated[str, typer.Option(help="Who tells: a URI reference.")] = SOURCE_DEFAULT,
    payload: Annotated[
        str | None, typer.Option("--data", metavar="JSON|@FILE", help="The event's data.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    id: Annotated[
        str | None,
        typer.Option(help="The event's id; the same source and id count once. Default: a new one."),
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Send one event; the id that it was sent with is the only data."""
    event = {
        "specversion": "1.0",
        "id": id or str(uuid4()),
        "source": source,
        "type": type,
        "time": datetime.now(UTC).isoformat(),
        "data": None if payload is None else _read_data(payload),
    }
    if subject is not None:
        event["subject"] = subject
    taken = Api().send_event(event)
    if output is Format.JSON:
        print_json({"id": event["id"], **taken})
        return
    say("it was sent before: nothing changes" if taken["repeated"] else "accepted")
    print(event["id"])


def ls(
    type: Annotated[str | None, typer.Option(help="Only of this type.")] = None,
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Continue a former page.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """List the events of the last 7 days, newest first, with what each did."""
    page = Api().inbound_events({"type": type, "source": source, "limit": limit, "cursor": cursor})
    if output is Format.JSON:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("received", "type", "source", "id", "subject", "did", "data"):
        table.add_column(heading, no_wrap=True)
    for event in page["items"]:
        named = [Text(event[key] or "") for key in ("type", "source", "id", "subject")]
        moment = formats.date_and_time(event["received_at"])
        table.add_row(moment, *named, Text(_did(event)), Text(_shown(event)))
    data.print(table)
    if page["next"]:
        say(f"there are more: --cursor {page['next']}")


def _read_data(given: str) -> Any:
    """JSON as it stands, or of a file."""
    text = given
    if given.startswith("@"):
        try:
            text = Path(given[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--data {given}: the file cannot be read: {error}") from error
    try:
        return json.loads(text)
    except ValueError as error:
        advice = "a text needs quotes of its own: --data '\"text\"'"
        raise CommandError(f"--data {given[:80]}: not JSON ({error}); {advice}") from error


def _did(event: dict[str, Any]) -> str:
    """One line for each run that it started or could not start, and for each node that took it."""
    lines = []
    for reaction in event["reactions"]:
        what = " ".join(filter(None, (reaction["workflow"], reaction["outcome"], reaction["run"])))
        lines.append(f"{what}: {reaction['reason']}" if reaction["reason"] else what)
    lines += [f"woke '{taker['node']}' of {taker['run']}" for taker in event["taken_by"]]
    return "\n".join(lines)


def _shown(event: dict[str, Any]) -> str:
    if event["data"] is None:
        return "" if event["data_bytes"] <= len("null") else formats.size(event["data_bytes"])
    text = json.dumps(event["data"], ensure_ascii=False)
    return text if len(text) <= DATA_CHARS_MAX else f"{text[: DATA_CHARS_MAX - 1]}…"
