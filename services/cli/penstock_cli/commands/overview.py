"""`penstock agents` and `penstock stats`: what there is, and how it does."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.output import Format, Output, command, data, print_json, say

_SECONDS = ("mean", "p50", "p95", "p99")


def register(app: typer.Typer) -> None:
    command(app, "agents")(agents)
    command(app, "stats")(stats)


def agents(
    name: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="Show this one with its schemas.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """List the agents that runners offer, and the runners; or show one agent."""
    if name is not None:
        _show_agent(Api().agent(name), output)
        return
    document = Api().agents()
    if output is Format.JSON:
        print_json(document)
        return
    data.print(_agents_table(document["items"]))
    data.print(_runners_table(document["runners"]))
    for refusal in refusals(document["items"]):
        data.print(Text(refusal, "red"), soft_wrap=True)
    for mixed in (agent["name"] for agent in document["items"] if agent["mixed"]):
        say(f"{mixed}: runners of one pool have different versions; which one an attempt gets is chance")
    if not document["runners"]:
        say("no runner has announced itself: nothing runs until one does")


class By(StrEnum):
    """What figures are about."""

    WORKFLOW = "workflow"
    AGENT = "agent"


def _show_agent(agent: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        print_json(agent)
        return
    data.print(Text(f"{agent['name']}: {agent['description']}"), soft_wrap=True)
    for version in agent["versions"]:
        table = _table("version", version["version"])
        for label, value in _facts_of(version):
            table.add_row(label, value)
        data.print(table)


def _facts_of(version: dict[str, Any]) -> Iterator[tuple[str, Text]]:
    """What there is to say of a version, with its label."""
    for label in ("runners", "pools", "secrets", "models", "stores", "network"):
        if version[label]:
            yield label, Text(", ".join(version[label]))
    yield "reuse", Text(version["reuse"])
    for label in ("input", "output"):
        if version[label] is not None:
            yield (
                label,
                Text(yaml.safe_dump(version[label], sort_keys=False, default_flow_style=None).rstrip()),
            )
    if version["differs"]:
        yield "differs", Text("runners have this version with other schemas", "yellow")
    for refusal in version["refusals"]:
        yield "cannot", Text(f"{refusal['runner']}: {refusal['error']}", "red")


def stats(
    workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    by: Annotated[By, typer.Option(help="What it costs: of each workflow, or of each agent.")] = By.WORKFLOW,
    output: Output = Format.TEXT,
) -> None:
    """Count runs: how many, how they ended, how long they took, what they cost."""
    document = Api().statistics(workflow=workflow)
    if output is Format.JSON:
        print_json(document)
        return
    total = {"name": "all", **document["runs"]}
    if by is By.AGENT:
        data.print(_costs_table([*document["agents"], total], of="agent"))
        return
    data.print(_runs_table([total, *document["workflows"]]))
    data.print(_nodes_table(document["nodes"]))
    data.print(_costs_table([*document["workflows"], total]))
    if document["breakers"]:
        data.print(_breakers_table(document["breakers"]))


def _runs_table(rows: list[dict[str, Any]]) -> Table:
    counted = ("active", "succeeded", "failed", "cancelled", "compensated")
    table = _table("workflow", "runs", *counted, "success", "undone", *_SECONDS)
    for row in rows:
        counts = [str(row[key]) for key in ("total", *counted)]
        rates = [_share(row[key]) for key in ("success_rate", "compensation_rate")]
        table.add_row(row["name"], *counts, *rates, *_quantiles(row))
    return table


def _nodes_table(rows: list[dict[str, Any]]) -> Table:
    counted = ("runs", "attempts", "retries", "failures", "compensations")
    table = _table("node", *counted, *_SECONDS)
    for row in rows:
        counts = [str(row[key]) for key in counted]
        table.add_row(f"{row['workflow']}.{row['node']}", *counts, *_quantiles(row))
    return table


def _costs_table(rows: list[dict[str, Any]], *, of: str = "workflow") -> Table:
    table = _table(f"cost of {of}", "minutes", "execution", "tokens in", "out", "models", "unknown calls")
    for row in rows:
        cost = row["cost"]
        table.add_row(
            row["name"],
            f"{cost['execution_minutes']:.2f}",
            _dollars(cost["execution_dollars"]),
            str(cost["tokens_in"]),
            str(cost["tokens_out"]),
            _dollars(cost["llm_dollars"]) if cost["llm_dollars"] or cost["unpriced_calls"] else "none",
            str(cost["unpriced_calls"]),
        )
    return table


def _dollars(amount: float | None) -> str:
    return "unknown" if amount is None else f"$ {amount:.4f}"


def _breakers_table(rows: list[dict[str, Any]]) -> Table:
    table = _table("breaker", "state", "until")
    for row in rows:
        table.add_row(row["key"], row["state"], formats.date_and_time(row["open_until"]))
    return table


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


def refusals(items: list[dict[str, Any]]) -> list[str]:
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
    return [formats.duration(row["seconds"][key]) for key in _SECONDS]


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.1f} %"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading)
    return table
