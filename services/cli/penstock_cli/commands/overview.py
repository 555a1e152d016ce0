"""`penstock agents` and `penstock stats`: what there is, and how it does."""

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.output import Format, Output, command, data, print_json, say


def register(app: typer.Typer) -> None:
    command(app, "agents")(agents)
    command(app, "stats")(stats)


def agents(output: Output = Format.TEXT) -> None:
    """List the agents that runners offer, and the runners."""
    document = Api().agents()
    if output is Format.JSON:
        print_json(document)
        return
    data.print(_agents_table(document["items"]))
    data.print(_runners_table(document["runners"]))
    for refusal in _refusals(document["items"]):
        data.print(Text(refusal, "red"), soft_wrap=True)
    if not document["runners"]:
        say("no runner has announced itself: nothing runs until one does")


def stats(output: Output = Format.TEXT) -> None:
    """Count runs: how many, how they ended, how long they took."""
    document = Api().statistics()
    if output is Format.JSON:
        print_json(document)
        return
    table = _table(
        "workflow", "runs", "active", "succeeded", "failed", "cancelled", "success", "p50", "p95", "p99"
    )
    for row in ({"name": "all", **document["runs"]}, *document["workflows"]):
        rate = "" if row["success_rate"] is None else f"{100 * row['success_rate']:.1f} %"
        counts = [str(row[key]) for key in ("total", "active", "succeeded", "failed", "cancelled")]
        table.add_row(row["name"], *counts, rate, *_quantiles(row))
    data.print(table)
    nodes = _table("node", "runs", "retries", "failures", "p50", "p95", "p99")
    for row in document["nodes"]:
        counts = [str(row[key]) for key in ("runs", "retries", "failures")]
        nodes.add_row(f"{row['workflow']}.{row['node']}", *counts, *_quantiles(row))
    data.print(nodes)


def _agents_table(items: list[dict[str, Any]]) -> Table:
    table = _table("agent", "version", "reuse", "runners", "description")
    for agent in items:
        for version in agent["versions"]:
            about = (
                Text("cannot be run, see below", "red") if version["error"] else Text(agent["description"])
            )
            runners = ", ".join(version["runners"])
            table.add_row(agent["name"], version["version"], version["reuse"], runners, about)
    return table


def _refusals(items: list[dict[str, Any]]) -> list[str]:
    """Each reason once, with the runner that gives it and the agents that it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for agent in items:
        for version in agent["versions"]:
            for refusal in version["refusals"]:
                about.setdefault((refusal["runner"], refusal["error"]), []).append(agent["name"])
    return [f"{runner} cannot run {', '.join(names)}:\n  {error}" for (runner, error), names in about.items()]


def _runners_table(runners: list[dict[str, Any]]) -> Table:
    table = _table("runner", "pool", "host", "slots", "sandbox", "seen")
    for runner in runners:
        seen = Text(formats.clock(runner["seen_at"])) if runner["alive"] else Text("gone", "red")
        table.add_row(
            runner["id"], runner["pool"], runner["host"], str(runner["slots"]), runner["tier"], seen
        )
    return table


def _quantiles(row: dict[str, Any]) -> list[str]:
    return [formats.duration(row["seconds"][key]) for key in ("p50", "p95", "p99")]


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading)
    return table
