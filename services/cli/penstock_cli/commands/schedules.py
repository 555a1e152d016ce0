"""`penstock schedules`: look at schedules, pause and resume them, run one now."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.commands.run import finish
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.person import By, person
from penstock_cli.upcoming import there

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's name.")]
Schedule = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help="The schedule's name; the first without one is schedule-1.")
]


def register(app: typer.Typer) -> None:
    schedules = typer.Typer(no_args_is_help=True, help="Look at schedules, pause and resume them.")
    for name, function in (("ls", ls), ("get", get), ("pause", pause), ("resume", resume)):
        command(schedules, name)(function)
    command(schedules, "run")(run)
    app.add_typer(schedules, name="schedules")


def ls(
    workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Continue a former page.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """List schedules by workflow and name."""
    page = Api().schedules({"workflow": workflow, "limit": limit, "cursor": cursor})
    if output is Format.JSON:
        print_json(page)
        return
    table = _table("schedule", "cron", "time zone", "overlap", "catch-up", "next", "last")
    for item in page["items"]:
        name = f"{item['workflow']} {item['name']}"
        last = formats.date_and_time(item["last_tick"])
        table.add_row(
            name, item["cron"], item["timezone"], item["overlap"], item["catch_up"], _next(item), last
        )
    data.print(table)
    if page["next"]:
        say(f"there are more: --cursor {page['next']}")


def get(workflow: Workflow, schedule: Schedule, output: Output = Format.TEXT) -> None:
    """Show a schedule, its next ten times and what became of its last ones."""
    found = Api().schedule(workflow, schedule)
    if output is Format.JSON:
        print_json(found)
        return
    data.print(
        Text(f"{found['workflow']} {found['name']}: {found['cron']} {found['timezone']}"), _next(found)
    )
    for moment in found["next"]:
        data.print(f"  {there(moment)}", markup=False)
    table = _table("tick", "outcome", "run", "by", "reason")
    for tick in found["ticks"]:
        moment = formats.date_and_time(tick["moment"])
        run_id, by, reason = (tick[key] or "" for key in ("run_id", "by", "reason"))
        table.add_row(moment, tick["outcome"], run_id, by, Text(reason))
    if found["ticks"]:
        data.print(table)


def pause(workflow: Workflow, schedule: Schedule, by: By = None, output: Output = Format.TEXT) -> None:
    """Let a schedule tick no more until it is resumed."""
    _steer(workflow, schedule, "pause", by, output)


def resume(workflow: Workflow, schedule: Schedule, by: By = None, output: Output = Format.TEXT) -> None:
    """Let a schedule tick again; what came due meanwhile is not made up for."""
    _steer(workflow, schedule, "resume", by, output)


def run(
    workflow: Workflow,
    schedule: Schedule,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit 0 only if it succeeds.")] = False,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Start a schedule's run now, also of a paused one."""
    api = Api()
    started = api.steer_schedule(workflow, schedule, "run", by=person(by))
    finish(api, started, wait=wait, download=None, output=output)


def _steer(workflow: str, schedule: str, verb: str, by: str | None, output: Format) -> None:
    document = Api().steer_schedule(workflow, schedule, verb, by=person(by))
    if output is Format.JSON:
        print_json(document)
    else:
        say(f"{workflow} {schedule}: {_next(document)}")


def _next(schedule: dict[str, Any]) -> str:
    if schedule["paused"]:
        return f"paused by {schedule['paused_by']}"
    if not schedule["active"]:
        return "the workflow is not active"
    return f"next {formats.date_and_time(schedule['next_at'])}"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading)
    return table
