"""`penstock workflows get|pause|resume`: one workflow, what starts it, and whether its runs may go on."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.person import By, person

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's name.")]
Reason = Annotated[str | None, typer.Option(help="Why; people who look at a waiting run are told.")]


def register(workflows: typer.Typer) -> None:
    for function in (get, pause, resume):
        command(workflows, function.__name__)(function)


def get(workflow: Workflow, output: Output = Format.TEXT) -> None:
    """Show the latest version: whether it starts runs, what triggers it, who paused it."""
    found = Api().workflow(workflow)
    if output is Format.JSON:
        print_json(found)
        return
    data.print(
        Text(f"{found['name']} v{found['version']}, saved {formats.date_and_time(found['created_at'])}")
    )
    if found["description"]:
        data.print(Text(found["description"]))
    data.print(Text(_standing(found), "green" if found["active"] and not found["paused"] else "yellow"))
    for trigger in found["definition"].get("triggers", ()):
        data.print(Text(f"  starts {_trigger(trigger)}"), soft_wrap=True)
    if found["events"]:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("at", "what", "by", "reason"):
            table.add_column(heading)
        for event in found["events"]:
            moment = formats.date_and_time(event["at"])
            table.add_row(moment, event["action"], Text(event["by"]), Text(event["reason"]))
        data.print(table)


def pause(workflow: Workflow, reason: Reason = None, by: By = None, output: Output = Format.TEXT) -> None:
    """Pause all runs of a workflow, and those that are started meanwhile."""
    _steer(workflow, "pause", by, reason, output)


def resume(workflow: Workflow, reason: Reason = None, by: By = None, output: Output = Format.TEXT) -> None:
    """Let the runs go on that were paused with their workflow."""
    _steer(workflow, "resume", by, reason, output)


def _steer(workflow: str, verb: str, by: str | None, reason: str | None, output: Format) -> None:
    document = Api().steer_workflow(workflow, verb, by=person(by), reason=reason or "")
    if output is Format.JSON:
        print_json(document)
    else:
        say(f"{document['name']}: {_standing(document)}")


def _standing(workflow: dict[str, Any]) -> str:
    pause = workflow["paused"]
    if pause:
        why = f": {pause['reason']}" if pause["reason"] else ""
        return f"paused by {pause['by']} since {formats.date_and_time(pause['since'])}{why}"
    return "active" if workflow["active"] else "inactive: it starts no new runs"


def _trigger(trigger: dict[str, Any]) -> str:
    if own := trigger.get("schedule"):
        return f"by schedule: {own['cron']} {own.get('timezone', 'UTC')}"
    if own := trigger.get("event"):
        return f"for an event: {own['type']}{_if(own)}"
    own = trigger["alert"]
    labels = ", ".join(f"{name}={value}" for name, value in own["match"].items())
    return f"for an alert that is {own.get('status', 'firing')}: {labels}{_if(own)}"


def _if(trigger: dict[str, Any]) -> str:
    return f" if {trigger['if']}" if trigger.get("if") else ""
