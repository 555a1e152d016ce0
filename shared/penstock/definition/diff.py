"""What differs between two definitions, in their author's terms: workflow keys, nodes, and keys of nodes.

Works on stored documents, which were checked when they were saved. The order of keys and nodes means nothing,
nor does the order of names in `needs` and the like. Renames are not guessed: one node went, another came.
"""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from penstock.contracts.value import Value
from penstock.contracts.workflow import Json
from penstock.definition.document import Path, dotted

_NAME_SETS = frozenset({("needs",), ("depends_on",), ("retry", "retry_on"), ("approval", "assignees")})
"""Where a node holds a list whose order means nothing. Elsewhere, as inside `with`, a list is data."""

_encoder = msgspec.json.Encoder(order="sorted")


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Change(Value, frozen=True):
    """One difference. `node` is None for keys of the workflow; `path` is the key within the node or the
    workflow (`with.source`, `triggers[0].schedule.cron`), empty for a node that came or went as a whole.
    `before` is null for what was added, `after` for what was removed.
    """

    kind: ChangeKind
    node: str | None
    path: str
    before: Json = None
    after: Json = None


def diff(old: Json, new: Json) -> list[Change]:
    """All changes from one stored document to another: the workflow's own keys first, then node by node."""
    old_nodes, new_nodes = _nodes(old), _nodes(new)
    changes = list(_of_keys(_without_nodes(old), _without_nodes(new), None, ()))
    for name in _names(old_nodes, new_nodes):
        changes += _of_key(old_nodes, new_nodes, name, node=name, path=())
    return changes


def _of_keys(old: dict[str, Json], new: dict[str, Json], node: str | None, path: Path) -> Iterator[Change]:
    for key in _names(old, new):
        yield from _of_key(old, new, key, node=node, path=(*path, key))


def _of_key(
    old: dict[str, Json], new: dict[str, Json], key: str, *, node: str | None, path: Path
) -> Iterator[Change]:
    if key not in old:
        yield Change(ChangeKind.ADDED, node, dotted(path), after=new[key])
    elif key not in new:
        yield Change(ChangeKind.REMOVED, node, dotted(path), before=old[key])
    else:
        yield from _of_values(old[key], new[key], node, path)


def _of_values(old: Json, new: Json, node: str | None, path: Path) -> Iterator[Change]:
    """Goes into objects, and into lists of the same length; all else is compared as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _of_keys(old, new, node, path)
    elif _are_lists_to_enter(old, new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _of_values(before, after, node, (*path, index))
    elif _comparable(old, node, path) != _comparable(new, node, path):
        yield Change(ChangeKind.CHANGED, node, dotted(path), old, new)


def _are_lists_to_enter(old: Json, new: Json) -> bool:
    """Lists of objects or lists: a list of plain values is short enough to be shown whole."""
    if not (isinstance(old, list) and isinstance(new, list) and len(old) == len(new)):
        return False
    return any(isinstance(item, (dict, list)) for item in (*old, *new))


def _comparable(value: Json, node: str | None, path: Path) -> bytes:
    """As JSON, for 1 is neither `true` nor 1.0 there."""
    if node is not None and path in _NAME_SETS and isinstance(value, list):
        return _encoder.encode(sorted(_encoder.encode(item) for item in value))
    return _encoder.encode(value)


def _names(old: dict[str, Json], new: dict[str, Json]) -> dict[str, None]:
    """All keys: the new one's in its order, then those that are gone."""
    return dict.fromkeys((*new, *old))


def _nodes(document: Json) -> dict[str, Json]:
    nodes: dict[str, Json] = document.get("nodes") or {}
    return nodes


def _without_nodes(document: Json) -> dict[str, Json]:
    return {key: value for key, value in document.items() if key != "nodes"}
