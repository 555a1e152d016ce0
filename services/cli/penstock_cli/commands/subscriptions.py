"""`penstock subscriptions`: who is told of which events; make them, try them out, pause them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.errors import CommandError
from penstock_cli.notifier_api import NotifierApi
from penstock_cli.output import Format, Output, command, data, print_json, say

Name = Annotated[str, typer.Argument(metavar="NAME", help="The subscription's name.")]
SECTION = "subscriptions"  # as in the notifier's configuration file


def register(app: typer.Typer) -> None:
    subscriptions = typer.Typer(no_args_is_help=True, help="Tell others of events: who is told of what.")
    for name, function in (
        *(("ls", ls), ("get", get), ("apply", apply), ("delete", delete)),
        *(("test", try_out), ("pause", pause), ("resume", resume)),
    ):
        command(subscriptions, name)(function)
    app.add_typer(subscriptions, name="subscriptions")


def ls(output: Output = Format.TEXT) -> None:
    """List the project's subscriptions."""
    document = NotifierApi().subscriptions()
    if output is Format.JSON:
        print_json(document)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("subscription", "events", "channel", "target", "state", "from"):
        table.add_column(heading, no_wrap=heading not in ("events", "target", "state"))
    for each in document["items"]:
        channel = each["channel"] or {"kind": "?", "target": each["problem"]}
        events = ", ".join(each["events"])
        table.add_row(
            each["name"], events, channel["kind"], Text(channel["target"]), _state(each), each["from"]
        )
    data.print(table)
    if not document["items"]:
        say("there is none: make one with `penstock subscriptions apply FILE`")


def get(name: Name, output: Output = Format.TEXT) -> None:
    """Show a subscription; what is secret in it is never shown."""
    _show(NotifierApi().subscription(name), output)


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML: names with subscriptions.")],
    output: Output = Format.TEXT,
) -> None:
    """Make or change the subscriptions of a file, one after the other; others stay as they are."""
    api = NotifierApi()
    shown = []
    for name, document in _documents(file):
        subscription, is_new = api.put_subscription(name, document)
        say(f"subscription '{name}' is {'made' if is_new else 'as the file says'}")
        shown.append(subscription)
    if output is Format.JSON:
        print_json({"items": shown})


def delete(name: Name, output: Output = Format.TEXT) -> None:
    """Delete a subscription with its deliveries."""
    NotifierApi().delete_subscription(name)
    if output is Format.JSON:
        print_json({"name": name})
    else:
        say(f"subscription '{name}' is deleted")


def try_out(name: Name, output: Output = Format.TEXT) -> None:
    """Send a sample event now; exits 1 if the target did not take it."""
    told = NotifierApi().steer_subscription(name, "test")
    if output is Format.JSON:
        print_json(told)
    else:
        status = f"{told['status']}, " if told["status"] else ""
        say(f"{'taken' if told['ok'] else 'refused'}: {status}{told['milliseconds']} ms {told['error']}")
        if told["answer"]:
            data.print(Text(told["answer"]))
    if not told["ok"]:
        raise typer.Exit(1)


def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; it is shown with the subscription.")] = "",
    output: Output = Format.TEXT,
) -> None:
    """Tell nothing for now."""
    _show(NotifierApi().steer_subscription(name, "pause", reason=reason), output)


def resume(name: Name, output: Output = Format.TEXT) -> None:
    """Tell again; what was waiting is sent now."""
    _show(NotifierApi().steer_subscription(name, "resume"), output)


def _documents(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        document = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise CommandError(f"{file} is not YAML: {error}") from error
    named = document.get(SECTION, document) if isinstance(document, dict) else None
    if not isinstance(named, dict) or not named:
        raise CommandError(f"{file}: expected names with subscriptions, perhaps below `{SECTION}`")
    return ((str(name), each) for name, each in named.items())


def _state(subscription: dict[str, Any]) -> Text:
    if subscription["problem"]:
        return Text("broken", "bold red")
    if subscription["active"]:
        return Text("active", "green")
    return Text(f"paused: {subscription['inactive_reason']}", "yellow")


def _show(subscription: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        print_json(subscription)
        return
    data.print(Text(subscription["name"]), Text("is"), _state(subscription))
    channel = subscription["channel"] or {"kind": "?", "target": subscription["problem"]}
    lines = [
        f"tells of {', '.join(subscription['events'])}"
        + (f" if {subscription['if']}" * bool(subscription["if"])),
        f"to {channel['kind']} {channel['target']}",
        f"from {subscription['from']}, changed {formats.date_and_time(subscription['changed_at'])}",
    ]
    for line in lines:
        data.print(Text(f"  {line}"), soft_wrap=True)
