"""Tables that outlive runs: `store.open(name)` for a store that the agent's `agent.yaml` names under `stores`.

    from penstock.agents import store

    worklog = store.open("worklog")
    entry = worklog.get("entries", "2026-01-31/ada")            # a dict, or None
    for row in worklog.rows("entries", where={"user": "ada", "day": {">=": "2026-01-01"}}, order="day"):
        print(row.key, row.value, row.version)
    worklog.write([store.put("entries", key, value), store.delete("entries", old)])   # all or nothing
    worklog.undo("charge")                                       # what node `charge` of this run wrote

Errors: Invalid (the rows, the question: not retried), Conflict (a row is not as the write expects it: another
attempt reads again, so it is retried, except an `undo`'s), NotAllowed (agent.yaml does not name the store).
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.agents.attempt import in_thread, variable
from penstock.agents.errors import Invalid, TryAgain

if TYPE_CHECKING:
    from penstock.agents.gateway import Errors

KEY = "$key"
"""A row's key, where fields are named: in `where` and in `order`."""

PAGE_ROWS_MAX = 200  # what one answer holds at most
_UNDOING = ":undo"  # how the node is called that undoes another


class Conflict(TryAgain):
    """Rows are not as a write or an undo expects them; nothing was done, and the message lists them."""


class Row(NamedTuple):
    """`version` changes with every write of the row."""

    key: str
    value: dict[str, Any]
    version: int


class Undone(NamedTuple):
    """How many rows have their former value again, are gone again, and were undone before."""

    restored: int
    deleted: int
    undone_before: int


class Operation(NamedTuple):
    """Made by `put`, `insert` and `delete`."""

    do: str
    table: str
    key: str
    value: object = None
    version: int | None = None


def put(table: str, key: str, value: object, *, version: int | None = None) -> Operation:
    """The row, whether it was there or not; with `version` only if it still has that one."""
    return Operation("put", table, key, value, version)


def insert(table: str, key: str, value: object) -> Operation:
    """A new row. A retried attempt may insert again what an earlier attempt of its node had inserted."""
    return Operation("insert", table, key, value)


def delete(table: str, key: str, *, version: int | None = None) -> Operation:
    """No row; also if there was none, unless a `version` is expected."""
    return Operation("delete", table, key, version=version)


def open(name: str) -> "Store":
    """Asks nothing yet."""
    return Store(name)


class Store:
    """The tables of one store of the run's project. Every call is done when it returns."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, table: str, key: str) -> dict[str, Any] | None:
        """The row's value, or None."""
        found = self.row(table, key)
        return None if found is None else found.value

    def row(self, table: str, key: str) -> Row | None:
        """The row with its version, or None."""
        from penstock.agents.gateway import call, json_of, quoted

        path = f"{self._path}/{quoted(table)}/{quoted(key)}"
        answer = call("GET", path, missing_ok=True, errors=_errors())
        return None if answer is None else Row(**json_of(answer))

    def rows(
        self,
        table: str,
        where: Mapping[str, object] | None = None,
        *,
        order: str = KEY,
        descending: bool = False,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Rows that meet all conditions, fetched in pages while you iterate. `limit`: at most so many.

        A condition is a value that the field equals, or {comparison: value} with `=`, `<`, `<=`, `>`, `>=`, `in`,
        `prefix`. Fields are top-level ones, or "$key". What others write meanwhile may be among the later pages.
        """
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            rows, cursor = self._page(table, where, order, descending, left, cursor)
            yield from rows
            if cursor is None:
                return
            left = None if left is None else left - len(rows)

    def write(self, operations: Iterable[Operation]) -> list[int | None]:
        """All of them, or none; at most 1,000 and 768 KiB. Returns the new versions, None for what was deleted."""
        from penstock.agents.serialise import plain

        documents = [_document(operation, plain) for operation in operations]
        if not documents:
            return []
        versions: list[int | None] = self._ask("write", {"operations": documents})["versions"]
        return versions

    def undo(self, node: str | None = None, *, force: bool = False) -> Undone:
        """Restore exactly what `node` of this run wrote, over all its attempts; of a `foreach`, all its items.

        In a compensation `node` may be left out: it is the one that is undone. Where somebody else has written
        one of its rows since, nothing is done (Conflict), unless `force`. A second time it changes nothing.
        """
        undone = self._ask("undo", {"node": node or _undone_node(), "force": force}, is_retryable=False)
        return Undone(**undone)

    async def get_async(self, table: str, key: str) -> dict[str, Any] | None:
        return await in_thread(self.get, table, key)

    async def row_async(self, table: str, key: str) -> Row | None:
        return await in_thread(self.row, table, key)

    async def rows_async(
        self,
        table: str,
        where: Mapping[str, object] | None = None,
        *,
        order: str = KEY,
        descending: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Row]:
        """`async for row in worklog.rows_async(…)`."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            rows, cursor = await in_thread(self._page, table, where, order, descending, left, cursor)
            for row in rows:
                yield row
            if cursor is None:
                return
            left = None if left is None else left - len(rows)

    async def write_async(self, operations: Iterable[Operation]) -> list[int | None]:
        return await in_thread(self.write, operations)

    async def undo_async(self, node: str | None = None, *, force: bool = False) -> Undone:
        return await in_thread(self.undo, node, force=force)

    @property
    def _path(self) -> str:
        from penstock.agents.gateway import quoted

        return f"/store/{quoted(self.name)}"

    def _page(
        self,
        table: str,
        where: Mapping[str, object] | None,
        order: str,
        descending: bool,
        most: int | None,
        cursor: str | None,
    ) -> tuple[Sequence[Row], str | None]:
        from penstock.agents.serialise import plain

        asked = {"table": table, "where": plain(where or {}), "order": order, "descending": descending}
        if most is not None and most < PAGE_ROWS_MAX:
            asked["limit"] = most
        answer = self._ask("query", asked if cursor is None else {**asked, "cursor": cursor})
        return [Row(**row) for row in answer["rows"]], answer["next"]

    def _ask(self, verb: str, asked: object, *, is_retryable: bool = True) -> dict[str, Any]:
        from penstock.agents.gateway import call, json_of

        try:
            answer: dict[str, Any] = json_of(
                call("POST", f"{self._path}/{verb}", json=asked, errors=_errors())
            )
        except Conflict as error:
            if not is_retryable:
                error.retryable = False
            raise
        return answer


def _errors() -> "Errors":
    return {412: Conflict, 422: Invalid}


def _document(operation: Operation, plain: Any) -> dict[str, object]:
    document: dict[str, object] = {"do": operation.do, "table": operation.table, "key": operation.key}
    if operation.do != "delete":
        document["value"] = plain(operation.value)
    if operation.version is not None:
        document["version"] = operation.version
    return document


def _undone_node() -> str:
    """The node that this one undoes."""
    node = variable("NODE")
    if not node.endswith(_UNDOING):
        raise Invalid(
            "undo: name the node whose writes are to be undone; only a compensation may leave it out"
        )
    return node.removesuffix(_UNDOING)
