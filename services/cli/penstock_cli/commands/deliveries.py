"""`penstock deliveries`: what was told to whom, and what became of it; tell it again."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.notifier_api import NotifierApi
from penstock_cli.output import Format, Output, command, data, print_json, say

Id = Annotated[str, typer.Argument(metavar="DELIVERY", help="Its id, also as the target saw it: msg_….")]
_STYLES = {"delivered": "green", "waiting": "yellow", "failed": "bold red"}


def register(app: typer.Typer) -> None:
    deliveries = typer.Typer(no_args_is_help=True, help="What was told to whom.")
    command(deliveries, "ls")(ls)
    command(deliveries, "get")(get)
    command(deliveries, "redeliver")(redeliver)
    app.add_typer(deliveries, name="deliveries")


def ls(
    subscription: Annotated[str | None, typer.Option(help="Only of this subscription.")] = None,
    state: Annotated[str | None, typer.Option(help="Only these: waiting, delivered or failed.")] = None,
    run: Annotated[str | None, typer.Option(help="Only what this run's events told.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Continue a former page.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """List the deliveries of the last 30 days, the newest first."""
    asked = {"subscription": subscription, "state": state, "run": run, "limit": limit, "cursor": cursor}
    page = NotifierApi().deliveries(asked)
    if output is Format.JSON:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (
        "delivery",
        "subscription",
        "event",
        "workflow",
        "happened",
        "state",
        "failed",
        "next try",
    ):
        table.add_column(heading, no_wrap=True)
    for each in page["items"]:
        table.add_row(
            each["id"],
            each["subscription"],
            each["kind"],
            each["workflow"],
            formats.date_and_time(each["happened_at"]),
            Text(each["state"], _STYLES.get(each["state"], "")),
            str(each["tries"] or ""),
            formats.date_and_time(each["due_at"]),
        )
    data.print(table)
    if not page["items"]:
        say("there is none: subscriptions say who is told, `penstock subscriptions ls` lists them")
    if page["next"]:
        say(f"there are more: --cursor {page['next']}")


def get(id: Id, output: Output = Format.TEXT) -> None:
    """Show a delivery with each try: when, what the target answered, how long it took."""
    _show(NotifierApi().delivery(id), output)


def redeliver(id: Id, output: Output = Format.TEXT) -> None:
    """Tell it again now, under the same id; its schedule begins again."""
    _show(NotifierApi().redeliver(id), output)


def _show(detail: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        print_json(detail)
        return
    delivery = detail["delivery"]
    state = Text(delivery["state"], _STYLES.get(delivery["state"], ""))
    data.print(
        Text(f"{delivery['kind']} of {delivery['event_id']} to '{delivery['subscription']}' is"), state
    )
    for each in detail["log"]:
        said = each["error"] or each["answer"]
        took = f"{each['milliseconds']} ms"
        line = f"  {formats.date_and_time(each['at'])}  {each['status'] or '':<5}{took:<10}{said[:200]}"
        data.print(Text(line.replace("\n", " ")), soft_wrap=True)
    if delivery["due_at"]:
        say(f"the next try is due at {formats.date_and_time(delivery['due_at'])}")
