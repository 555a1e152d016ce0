"""`penstock breakers`: which dependencies are cut off, and why; cut them off, and let them be called again."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.person import By, person

Key = Annotated[str, typer.Argument(metavar="KEY", help="dependency/<name> or workflow/<workflow>/<node>.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with your name.")]

_STYLES = {"closed": "green", "open": "bold red", "half_open": "yellow"}


def register(app: typer.Typer) -> None:
    breakers = typer.Typer(no_args_is_help=True, help="Look at circuit breakers, and switch them.")
    command(breakers, "ls")(ls)
    command(breakers, "get")(get)
    command(breakers, "open")(open_)
    command(breakers, "close")(close)
    command(breakers, "reset")(reset)
    command(breakers, "policy")(policy)
    app.add_typer(breakers, name="breakers")


def ls(
    state: Annotated[str | None, typer.Option(help="Only these: closed, open or half_open.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """List the circuit breakers of the project."""
    document = Api().breakers(state=state)
    if output is Format.JSON:
        print_json(document)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("breaker", "state", "failed", "waiting", "until", "changed", "last failure"):
        table.add_column(heading, no_wrap=heading != "last failure")
    for breaker in document["items"]:
        table.add_row(
            breaker["key"],
            Text(breaker["state"], _STYLES.get(breaker["state"], "")),
            f"{breaker['failed']} of {breaker['failed'] + breaker['succeeded']}",
            str(breaker["waiting"]),
            formats.clock(breaker["open_until"]),
            formats.date_and_time(breaker["changed_at"]),
            Text(breaker["last_failure"]),
        )
    data.print(table)
    if not document["items"]:
        say("no breaker was asked yet: nodes with `breaker` or `depends_on` have them")


def get(key: Key, output: Output = Format.TEXT) -> None:
    """Show a breaker, and who changed it when and why."""
    _show(Api().breaker(key), output)


def open_(
    key: Key,
    lasting: Annotated[
        str | None, typer.Option("--for", help="How long, such as 10m; then one probe goes through.")
    ] = None,
    reason: Reason = "",
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Let nobody call, for a while or until it is closed."""
    _change(key, "open", person(by), reason, output, **({"for": lasting} if lasting else {}))


def close(key: Key, reason: Reason = "", by: By = None, output: Output = Format.TEXT) -> None:
    """Let everybody call again: what waits is released in growing steps."""
    _change(key, "close", person(by), reason, output)


def reset(key: Key, reason: Reason = "", by: By = None, output: Output = Format.TEXT) -> None:
    """Close it, and forget its outcomes and the policy that was set for it."""
    _change(key, "reset", person(by), reason, output)


def policy(
    key: Key,
    failures: Annotated[int, typer.Option(min=1, help="How many failures open it.")] = 5,
    minimum: Annotated[int, typer.Option(min=1, help="Of how many known outcomes at least.")] = 5,
    cooldown: Annotated[str, typer.Option(help="How long it stays open.")] = "60s",
    window: Annotated[str, typer.Option(help="How long outcomes count.")] = "60s",
    reason: Reason = "",
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Say when a dependency's breaker opens, for the whole project."""
    told = {"failures": failures, "minimum": minimum, "cooldown": cooldown, "window": window}
    _change(key, "policy", person(by), reason, output, **told)


def _change(key: str, verb: str, by: str, reason: str, output: Format, **told: Any) -> None:
    body = {"by": by, "reason": reason, **told}
    _show(Api().change_breaker(key, verb, body), output)


def _show(breaker: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        print_json(breaker)
        return
    data.print(Text(breaker["key"]), Text(f"is {breaker['state']}", _STYLES.get(breaker["state"], "")))
    for line in _lines(breaker):
        data.print(Text(f"  {line}"), soft_wrap=True)
    for event in breaker["events"]:
        change = f"{event['from_state']} → {event['to_state']}"
        said = f"{event['by']}: {event['reason']}" if event["reason"] else event["by"]
        data.print(Text(f"  {formats.date_and_time(event['at'])}  {change:<24}{said}"), soft_wrap=True)


def _lines(breaker: dict[str, Any]) -> list[str]:
    terms = breaker["policy"]
    lines = [
        f"opens at {terms['failures']} failures among {terms['minimum']} or more calls in {terms['window_s']:g} s,"
        f" for {terms['cooldown_s']:g} s"
    ]
    known = breaker["failed"] + breaker["succeeded"]
    if known:
        lines.append(f"{breaker['failed']} of {known} calls failed; last: {breaker['last_failure']}")
    if breaker["state"] == "open":
        until = formats.date_and_time(breaker["open_until"])
        lines.append(f"open until {until}, then one probe" if until else "open until somebody closes it")
    if breaker["step"]:
        lines.append(f"lets {breaker['step']} through at a time; {breaker['calling']} are calling")
    if breaker["waiting"]:
        lines.append(f"{breaker['waiting']} nodes wait for it")
    return lines
