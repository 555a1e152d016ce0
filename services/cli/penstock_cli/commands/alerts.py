"""`penstock alerts`: what Alertmanagers told, and what was done for it."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.notifier_api import NotifierApi
from penstock_cli.output import Format, Output, command, data, print_json, say

Source = Annotated[str | None, typer.Option(help="Only from this source of the notifier's configuration.")]
Project = Annotated[str | None, typer.Option(help="Only of this project; default: of all.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")]
Cursor = Annotated[str | None, typer.Option(help="Continue a former page.")]

_STYLES = {
    "firing": "bold red",
    "resolved": "green",
    "done": "yellow",
    "undone": "green",
    "refused": "bold red",
}


def register(app: typer.Typer) -> None:
    alerts = typer.Typer(no_args_is_help=True, help="Alerts of Alertmanagers, and what they did.")
    command(alerts, "ls")(ls)
    command(alerts, "actions")(actions)
    app.add_typer(alerts, name="alerts")


def ls(
    source: Source = None,
    status: Annotated[str | None, typer.Option(help="Only these: firing or resolved.")] = None,
    project: Project = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    output: Output = Format.TEXT,
) -> None:
    """List the alerts of the last 30 days, the latest first; firing and resolved are two."""
    asked = {"source": source, "status": status, "project": project, "limit": limit, "cursor": cursor}
    page = NotifierApi().alerts(asked)
    if output is Format.JSON:
        print_json(page)
        return
    table = _table("received", "status", "alert", "project", "source", "labels", "since", "times")
    for alert in page["items"]:
        table.add_row(
            formats.date_and_time(alert["received_at"]),
            _styled(alert["status"]),
            Text(alert["name"]),
            alert["project"],
            alert["source"],
            Text(_labels(alert["labels"])),
            formats.date_and_time(alert["starts_at"]),
            str(alert["times"]),
        )
    _show(table, page)


def actions(
    source: Source = None,
    state: Annotated[str | None, typer.Option(help="Only these: doing, done, undoing or ended.")] = None,
    project: Project = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    output: Output = Format.TEXT,
) -> None:
    """List what alerts did to the engine, the latest first, and what became of it."""
    asked = {"source": source, "state": state, "project": project, "limit": limit, "cursor": cursor}
    page = NotifierApi().alert_actions(asked)
    if output is Format.JSON:
        print_json(page)
        return
    table = _table(
        "ordered", "action", "target", "project", "alert", "state", "outcome", "done", "ended", "why"
    )
    for action in page["items"]:
        table.add_row(
            formats.date_and_time(action["ordered_at"]),
            action["action"],
            action["target"],
            action["project"],
            Text(action["alert"]),
            action["state"],
            _styled(action["outcome"]),
            formats.clock(action["done_at"]),
            formats.clock(action["ended_at"]),
            Text(action["detail"]),
        )
    _show(table, page)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in ("labels", "why"))
    return table


def _styled(word: str) -> Text:
    return Text(word, _STYLES.get(word, ""))


def _labels(labels: dict[str, str]) -> str:
    """Without the name, which has a column of its own."""
    return ", ".join(f"{name}={value}" for name, value in labels.items() if name != "alertname")


def _show(table: Table, page: dict[str, Any]) -> None:
    data.print(table)
    if not page["items"]:
        say("there is none: sources are configured in PENSTOCK_NOTIFIER_CONFIG_FILE")
    if page["next"]:
        say(f"there are more: --cursor {page['next']}")
