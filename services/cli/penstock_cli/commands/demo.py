"""`penstock demo`: the shipped workflow on Penstock's own source tree, with a runner killed in the middle."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.artifacts import SKIPPED, download, references, upload
from penstock_cli.commands import settings
from penstock_cli.commands.settings import DataFolder
from penstock_cli.commands.up import apply_packs, running
from penstock_cli.embedded.ports import free_port
from penstock_cli.embedded.stack import Plan, Stack, packs_folder
from penstock_cli.errors import CommandError
from penstock_cli.follow import follow
from penstock_cli.output import Format, Output, command, data, people, print_json, say
from penstock_cli.summary import show_summary

WORKFLOW = "repository-guard"
LEASE_S = 3  # so that one sees a lease lapse without waiting for the usual 30 s
POLL_S = 0.2
FINDINGS_SHOWN = 8
PLANTED = "packs/security/samples/"
WHERE_CHARS_MAX = 40  # fits beside the rest into 80 columns
_COPIED_NOT = (*SKIPPED, "*.egg-info")


def register(app: typer.Typer) -> None:
    command(app, "demo")(demo)


def demo(data_folder: DataFolder = settings.FOLDER_DEFAULT, output: Output = Format.TEXT) -> None:
    """Run a real workflow, and kill its runner on the way.

    The workflow is `repository-guard`, on a copy of Penstock's own source. Starts everything by itself, on free
    ports, and leaves the report in the data folder.
    """
    begun = time.monotonic()
    folder = data_folder.absolute() / "demo"
    plan = Plan(
        folder=folder / "data",
        http_port=free_port(),
        nats_port=free_port(),
        runners=1,
        runners_max=2,
        settings={"PENSTOCK_ORCHESTRATOR_LEASE_S": str(LEASE_S)},
    )
    ended: dict[str, Any] | None = None
    with running(plan) as stack:
        api = Api(stack.url)
        apply_packs(api)
        up_s = time.monotonic() - begun
        ended = _guard(api, stack, folder)
        report = _save_report(api, ended, folder)
    if ended is None:
        raise CommandError("the demo was interrupted")
    if output is Format.JSON:
        print_json(
            {"run": ended, "report": str(report) if report else None, "seconds": time.monotonic() - begun}
        )
    else:
        _show(ended, report, up_s=up_s, total_s=time.monotonic() - begun)
    if ended["state"] != "succeeded":
        raise typer.Exit(1)


def _guard(api: Api, stack: Stack, folder: Path) -> dict[str, Any]:
    source = _copy_source(folder / "source")
    started = api.start_run({"workflow": WORKFLOW, "input": {"repository": str(upload(api, source))}})
    say(f"started run {started['id']} of {WORKFLOW}")
    accident = Accident(stack)
    return follow(api, started["id"], between=accident.look, poll_s=POLL_S)


@dataclass
class Accident:
    """Kills the runner once, in the second half of the run, and starts another one."""

    stack: Stack
    killed: bool = False

    def look(self, run: dict[str, Any]) -> None:
        self.stack.supervisor.tend()
        at_work = [node["name"] for node in run["nodes"] if node["state"] == "running"]
        if at_work and not self.killed and 2 * run["progress"]["done"] >= run["progress"]["total"]:
            self._kill(at_work)

    def _kill(self, at_work: list[str]) -> None:
        self.killed = True
        runner = self.stack.runners[0]
        self.stack.supervisor.forget(runner)
        runner.kill()
        people.print(
            Text(f"kill -9 {runner.name}, which was at work on: {', '.join(at_work)}", "bold yellow")
        )
        say(f"its lease of {LEASE_S} s lapses, then the orchestrator gives the work to a new runner")
        self.stack.start_runner()


def _copy_source(target: Path) -> Path:
    """A copy of the tree that this Penstock runs from: a workflow never touches the original."""
    root = packs_folder().parent.parent
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(root, target, symlinks=True, ignore=shutil.ignore_patterns(*_COPIED_NOT))
    return target


def _save_report(api: Api, run: dict[str, Any], folder: Path) -> Path | None:
    """The HTML report as `report.html`, everything else that the output names beside it."""
    report = None
    for reference in references(run["output"]):
        saved = download(api, reference, folder)
        if saved.suffix == ".html" and saved.is_file():
            report = saved.replace(folder / "report.html")
    return report


def _show(run: dict[str, Any], report: Path | None, *, up_s: float, total_s: float) -> None:
    show_summary({**run, "output": None})
    _show_findings(_comments(run))
    took = formats.duration(formats.seconds_between(run["created_at"], run["ended_at"]))
    say(
        f"\neverything up after {formats.duration(up_s)}, the run took {took}, all in all {formats.duration(total_s)}"
    )
    if report:
        others = ", ".join(
            sorted(path.name for path in report.parent.iterdir() if path.is_file() and path != report)
        )
        say(f"the report: {report}{f' (beside it: {others})' if others else ''}")
    say("\nNext:\n  penstock up                                                  # keep it running"
        "\n  penstock run repository-guard -i repository=@PATH --wait     # your own source tree"
        "\n  penstock graph shared/packs/security/repository-guard.yaml   # what it does")  # fmt: skip


def _show_findings(comments: list[dict[str, Any]]) -> None:
    """The worst that is really ours; what was planted to be found is only counted."""
    planted = [comment for comment in comments if PLANTED in comment["file"]]
    ours = [comment for comment in comments if comment not in planted]
    table = Table(
        box=None, pad_edge=False, header_style="dim", title="\nwhat it found (excerpt)", title_justify="left"
    )
    for heading in ("severity", "where", "what"):
        table.add_column(heading)
    one_of_each = list({comment["title"]: comment for comment in reversed(ours)}.values())[::-1]
    for comment in one_of_each[:FINDINGS_SHOWN]:
        where = _end_of(f"{comment['file']}:{comment['line']}", WHERE_CHARS_MAX)
        severity = Text(comment["severity"], _colour(comment["severity"]))
        table.add_row(severity, Text(where), Text(comment["title"]))
    if table.row_count:
        data.print(table)
    if planted:
        say(f"and {len(planted)} in the sample shop ({PLANTED}), where problems are planted to be found")


def _comments(run: dict[str, Any]) -> list[dict[str, Any]]:
    """The reviewer's ranked comments."""
    outputs = [node["output"] for node in run["nodes"] if node["name"] == "review" and node["output"]]
    return list(outputs[0].get("comments", [])) if outputs else []


def _end_of(text: str, chars_max: int) -> str:
    """The end of a path tells more than its beginning."""
    return text if len(text) <= chars_max else f"…{text[1 - chars_max :]}"


def _colour(severity: str) -> str:
    return {"high": "bold red", "medium": "yellow"}.get(severity, "dim")
