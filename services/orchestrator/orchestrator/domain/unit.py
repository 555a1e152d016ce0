"""What a run keeps a state for: a node of the plan, an item of a `foreach` node, or the undoing of either.

Names tell which: `patch` is a node, `patch[17]` its item 17 (from 0), `patch[17]:undo` what undoes that item.
Every unit goes through the same protocol of attempts, leases and results.
"""

_UNDO = ":undo"


def item_name(node: str, index: int) -> str:
    return f"{node}[{index}]"


def undo_name(unit: str) -> str:
    return unit + _UNDO


def is_undo(unit: str) -> bool:
    return unit.endswith(_UNDO)


def undone_by(undo: str) -> str:
    """The unit that `undo` undoes."""
    return undo.removesuffix(_UNDO)


def is_item(unit: str) -> bool:
    return unit.endswith("]")


def index_of(unit: str) -> int | None:
    """The place of an item, or of the item that is undone; None for what belongs to a whole node."""
    _, bracket, tail = unit.removesuffix(_UNDO).partition("[")
    return int(tail[:-1]) if bracket else None


def node_of(unit: str) -> str:
    """The node of the plan that the unit is, or is a part of."""
    return unit.removesuffix(_UNDO).partition("[")[0]
