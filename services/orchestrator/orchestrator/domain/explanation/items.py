"""How far a `foreach` node is, and what its first open item is busy with."""

from orchestrator.domain.detail import Spread
from orchestrator.domain.explanation.facts import NodeFacts, Reason


def why_items_open(spread: Spread, node: NodeFacts, *, first: tuple[str, str] | None) -> Reason:
    """`first`: the name of an open item, and the sentence about it."""
    counts = {
        "succeeded": spread.succeeded,
        "failed": spread.failed,
        "cancelled": spread.cancelled,
        "waiting": spread.total - spread.next,
    }
    told = "".join(f", {count} {state}" for state, count in counts.items() if count)
    sentence = f"{spread.open} of {spread.total} items are open{told}"
    if node.max_parallel and counts["waiting"]:
        sentence += f" for the window of {node.max_parallel}"
    if first is not None:
        sentence += f"; the first open one, {first[0]}, {first[1]}"
    data = {"total": spread.total, "open": spread.open, "max_parallel": node.max_parallel, **counts}
    items = [{"item": part.name, "state": part.state.value} for part in node.open_parts]
    return sentence, {"code": "items", **data, "items": items}
