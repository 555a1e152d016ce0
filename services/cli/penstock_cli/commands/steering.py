"""`penstock runs cancel|pause|resume|retry|compensate|skip`: what a person decides about a whole run."""

from typing import Annotated, Any

import typer
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.commands.run import finish
from penstock_cli.output import Format, Output, command, people, print_json
from penstock_cli.person import By, person

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
Reason = Annotated[str | None, typer.Option(help="Why; it stands in the timeline.")]


def register(runs: typer.Typer) -> None:
    for function in (cancel, pause, resume, compensate, skip):
        command(runs, function.__name__)(function)
    command(runs, "retry")(retry)


def cancel(run: Run, reason: Reason = None, by: By = None, output: Output = Format.TEXT) -> None:
    """Cancel a run: what runs is stopped, nothing new starts."""
    show_state(Api().steer(run, "cancel", by=person(by), reason=reason), output)


def pause(run: Run, reason: Reason = None, by: By = None, output: Output = Format.TEXT) -> None:
    """Pause a run: what runs goes on to its end, nothing new starts."""
    show_state(Api().steer(run, "pause", by=person(by), reason=reason), output)


def resume(run: Run, by: By = None, output: Output = Format.TEXT) -> None:
    """Let a paused run go on; after a failure, without the node that failed."""
    show_state(Api().steer(run, "resume", by=person(by)), output)


def compensate(run: Run, reason: Reason = None, by: By = None, output: Output = Format.TEXT) -> None:
    """Undo what an ended run did, the last first."""
    show_state(Api().steer(run, "compensate", by=person(by), reason=reason), output)


def skip(
    run: Run,
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="All whose undoing failed, when left out.")
    ] = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Leave undone what could not be undone, because somebody has seen to it."""
    show_state(Api().steer(run, "skip", by=person(by), node=node), output)


def retry(
    run: Run,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit 0 only if it succeeds.")] = False,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Take up a failed, cancelled or paused run where it failed.

    What succeeded keeps its results; what failed or was cancelled begins afresh.
    """
    api = Api()
    retried = api.steer(run, "retry", by=person(by))
    if wait:
        finish(api, retried, wait=True, download=None, output=output)
    else:
        show_state(retried, output)


def show_state(run: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        print_json(run)
    else:
        people.print(Text(f"run {run['id']} is"), formats.state(run["state"]))
