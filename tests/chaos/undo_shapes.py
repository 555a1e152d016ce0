"""Workflows that fail at their last node and undo the rest, and those that run others, for the chaos tests."""

from typing import Any

from tests.chaos.shapes import PATIENT, steady

Json = Any

# Fails for good at its first try, for it wants a number; but a lost runner is worth as many attempts as it takes.
BROKEN = {"agent": "flaky", "with": {"value": "no number"}, "retry": PATIENT}
UNDO = {"agent": "steady", "with": {"undoes": "${{ output }}"}, "retry": PATIENT}
ITEMS = 12


def undoable(*needs: str) -> Json:
    return {**steady(*needs), "compensate": UNDO}


def patched(*needs: str) -> Json:
    return {
        "foreach": list(range(ITEMS)),
        "max_parallel": 4,
        "needs": list(needs),
        "agent": "steady",
        "with": {"value": "${{ item }}"},
        "retry": PATIENT,
        "compensate": UNDO,
    }


CHAIN = {
    "name": "undo-chain",
    "on_failure": "compensate",
    "nodes": {
        **{f"n{i}": undoable(*([f"n{i - 1}"] if i else [])) for i in range(4)},
        "last": {"needs": ["n3"], **BROKEN},
    },
}
FAN = {
    "name": "undo-items",
    "on_failure": "compensate",
    "nodes": {"first": undoable(), "items": patched("first"), "last": {"needs": ["items"], **BROKEN}},
}
INNER = {"name": "undo-inner", "nodes": {"a": undoable(), "b": undoable("a")}}
OUTER = {
    "name": "undo-outer",
    "on_failure": "compensate",
    "nodes": {
        "first": undoable(),
        "call": {"workflow": "undo-inner", "needs": ["first"], "with": {"value": 1}, "retry": PATIENT},
        "last": {"needs": ["call"], **BROKEN},
    },
}
CALLS = {
    "name": "calls",
    "nodes": {
        "each": {
            "foreach": [1, 2, 3],
            "workflow": "undo-inner",
            "with": {"value": "${{ item }}"},
            "retry": PATIENT,
        },
        "after": {"needs": ["each"], **steady()},
    },
}
# Workflow → the state in which its runs must end, and the units that must have been undone.
ENDS: dict[str, tuple[str, frozenset[str]]] = {
    "undo-chain": ("compensated", frozenset({"n0", "n1", "n2", "n3"})),
    "undo-items": ("compensated", frozenset({"first", *(f"items[{index}]" for index in range(ITEMS))})),
    "undo-outer": ("compensated", frozenset({"first", "call"})),
    "calls": ("succeeded", frozenset()),
}
STARTED = (CHAIN, FAN, OUTER, CALLS)
DEFINED = (INNER, *STARTED)
