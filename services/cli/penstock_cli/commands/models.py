"""`penstock runs models`: what a node asked of language models, attempt by attempt, and what it took."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.commands.steering import Run
from penstock_cli.output import Format, Output, data, print_json, say

_STYLES = {"failed": "red", "lost": "red", "replayed": "dim", "open": "yellow"}


def models(
    run: Run,
    node: Annotated[str | None, typer.Argument(metavar="NODE", help="All nodes when left out.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Show the calls of language models that a run's nodes have made; with -o json, by node and attempt."""
    api = Api()
    names = [node] if node else [each["name"] for each in api.run(run)["nodes"] if each["attempt"]]
    attempts = [
        {"node": name, "attempt": attempt["attempt"], **attempt["models"]}
        for name in names
        for attempt in api.node(run, name)["attempts"]
        if attempt["models"]
    ]
    if output is Format.JSON:
        print_json({"items": attempts})
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("node", "attempt", "model", "state", "tokens in", "out", "cost", "time", ""):
        table.add_column(heading, no_wrap=heading != "")
    for attempt in attempts:
        for row in _rows(attempt):
            table.add_row(*row)
    data.print(table)
    if not attempts:
        say("no model was called")


def _rows(attempt: dict[str, Any]) -> Iterator[tuple[str | Text, ...]]:
    for call in attempt["items"]:
        yield (
            attempt["node"],
            str(attempt["attempt"]),
            call["answered_by"] or call["model"],
            Text(call["state"], _STYLES.get(call["state"], "")),
            str(call["tokens_in"]),
            str(call["tokens_out"]),
            _cost(call),
            formats.duration(call["seconds"]),
            Text((call["error"] or "")[:80], "red"),
        )


def _cost(call: dict[str, Any]) -> str:
    if call["state"] in ("open", "replayed"):
        return ""
    return "unknown" if call["cost_dollars"] is None else f"$ {call['cost_dollars']:.6f}"
