"""Stores on a real database: writes that hold or do not, questions, and undoing exactly what a node wrote.

All tests share one world; each has a project of its own.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from orchestrator.engine.attempt_stores import AttemptStores
from orchestrator.engine.store_views import RowView, StoreView
from orchestrator.engine.stores import Stores
from orchestrator.store.composed import Database, open_database
from penstock.contracts.errors import Conflict, InvalidInput, NotFound
from penstock.contracts.limits import STORE_OPERATIONS_MAX, STORE_PAGE_BYTES_MAX, STORE_ROW_BYTES_MAX
from penstock.contracts.store_messages import (
    Refusal,
    StoreOperation,
    StoreQuery,
    StoreRead,
    StoreReadAnswer,
    StoreUndo,
    StoreUndoAnswer,
    StoreUndone,
    StoreWrite,
    StoreWriteAnswer,
)
from penstock_cli.embedded.nats import Nats
from penstock_cli.embedded.postgres import Postgres
from tests.engine.conftest import World, open_world
from tests.servers import new_database

Json = Any

WORKLOG = {
    "name": "worklog",
    "tables": {
        "entries": {
            "row": {
                "type": "object",
                "required": ["user"],
                "additionalProperties": False,
                "properties": {
                    "user": {"type": "string"},
                    "day": {"type": "string"},
                    "hours": {"type": "number"},
                    "done": {"type": ["boolean", "null"]},
                    "text": {"type": "string"},
                },
            }
        },
        "notes": {"row": {"type": "object"}},
    },
}


@dataclass
class Attempt:
    """An attempt of node `n0` (or another) that a runner holds."""

    stores: AttemptStores
    run: UUID
    node: str
    token: UUID
    attempt: int = 1

    async def write(self, *operations: StoreOperation) -> StoreWriteAnswer:
        return await self.stores.write(
            StoreWrite(self.run, self.node, self.attempt, self.token, "worklog", operations)
        )

    async def read(self, table: str = "entries", **query: Json) -> StoreReadAnswer:
        key = query.pop("key", None)
        question = StoreQuery(table, **query)
        return await self.stores.read(
            StoreRead(self.run, self.node, self.attempt, self.token, "worklog", question, key)
        )

    async def keys(self, **query: Json) -> list[str]:
        """The keys that a question finds, over all its pages."""
        page = await self.read(**query)
        assert page.refused is None
        keys = [row.key for row in page.rows]
        while page.next is not None:
            page = await self.read(**query, cursor=page.next)
            keys += [row.key for row in page.rows]
        return keys

    async def undo(self, node: str, *, force: bool = False) -> StoreUndoAnswer:
        return await self.stores.undo(
            StoreUndo(self.run, self.node, self.attempt, self.token, "worklog", node, force)
        )


def put(key: str, *, table: str = "entries", version: int | None = None, **value: Json) -> StoreOperation:
    return StoreOperation("put", table, key, _raw(value), version)


def insert(key: str, **value: Json) -> StoreOperation:
    return StoreOperation("insert", "entries", key, _raw(value))


def delete(key: str, *, version: int | None = None) -> StoreOperation:
    return StoreOperation("delete", "entries", key, version=version)


def _raw(value: Json) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


@pytest.fixture(scope="module")
async def database(postgres_server: Postgres, template_database: str) -> AsyncIterator[str]:
    async with new_database(postgres_server, template_database) as url:
        yield url


@pytest.fixture(scope="module")
async def world(database: str, nats_server: Nats) -> AsyncIterator[World]:
    async with open_world(database, nats_server) as opened:
        yield opened


@pytest.fixture(scope="module")
async def connections(database: str) -> AsyncIterator[Database]:
    opened = open_database(database)
    yield opened
    await opened.dispose()


@dataclass
class People:
    """What people do with the store of a project."""

    stores: Stores
    project: str

    async def save(self, document: Json) -> None:
        await self.stores.save(self.project, "worklog", json.dumps(document).encode())

    async def view(self) -> StoreView:
        return await self.stores.view(self.project, "worklog")

    async def row(self, key: str) -> RowView:
        return await self.stores.row(self.project, "worklog", "entries", key)

    async def rows(self) -> dict[str, Json]:
        page = await self.stores.rows(self.project, "worklog", StoreQuery("entries"))
        return {row.key: msgspec.json.decode(row.value) for row in page.items}

    async def put(self, key: str, value: Json, *, version: int | None = None) -> RowView:
        return await self.stores.put(
            self.project, "worklog", "entries", key, value, by="eve", version=version
        )

    async def delete(self, key: str) -> None:
        await self.stores.delete(self.project, "worklog", "entries", key, by="eve")


@pytest.fixture
async def people(connections: Database) -> People:
    people = People(Stores(connections), f"project-{uuid4().hex[:8]}")
    await people.save(WORKLOG)
    return people


@dataclass
class Desk:
    """Starts runs, and claims nodes of theirs."""

    world: World
    stores: AttemptStores
    project: str

    async def attempt(self, node: str = "n0", *, run: UUID | None = None) -> Attempt:
        if run is None:
            run = (await self.world.start("two", project=self.project)).run_id
        return Attempt(self.stores, run, node, await self.world.claim(run, node))

    async def next_attempt(self, former: Attempt) -> Attempt:
        """As if the lease had lapsed, and another runner had claimed the node."""
        token = uuid4()
        await self.world.pool.execute(
            "update node set attempt = attempt + 1, token = $3 where run_id = $1 and name = $2",
            former.run,
            former.node,
            token,
        )
        return Attempt(self.stores, former.run, former.node, token, former.attempt + 1)


@pytest.fixture
async def desk(world: World, people: People, connections: Database) -> Desk:
    nodes = {"n0": {"agent": "echo"}, "n1": {"agent": "echo"}}
    await world.define({"name": "two", "nodes": nodes}, project=people.project)
    return Desk(world, AttemptStores(connections), people.project)


async def test_what_one_run_writes_another_reads(desk: Desk) -> None:
    first, second = await desk.attempt(), await desk.attempt()

    answer = await first.write(put("a", user="ada", hours=2), put("b", user="bob"))
    read = await second.read(key="a")

    assert answer.held
    assert answer.refused is None
    assert msgspec.json.decode(read.rows[0].value) == {"user": "ada", "hours": 2}
    assert read.rows[0].version == answer.versions[0]
    assert (await second.read(key="zzz")).rows == ()


async def test_all_problems_of_a_write_are_told_and_nothing_is_written(desk: Desk, people: People) -> None:
    attempt = await desk.attempt()

    answer = await attempt.write(
        put("good", user="ada"),
        put("a", usr="ada"),
        put("b", table="entris", user="ada"),
        put("", user="ada"),
        put("c", user="x" * STORE_ROW_BYTES_MAX),
        put("d", user="\x00"),
        put("good", user="bob"),
        StoreOperation("put", "entries", "e"),
    )

    assert answer.refused is not None
    assert answer.refused.kind is Refusal.INVALID
    assert {problem.path for problem in answer.refused.problems} == {
        "operations[1].value",
        "operations[1].value.usr",
        "operations[2].table",
        "operations[3].key",
        "operations[4].value",
        "operations[5].value",
        "operations[6]",
        "operations[7].value",
    }
    assert "did you mean 'entries'?" in str(answer.refused.problems)
    assert await people.rows() == {}


async def test_a_write_has_a_limit_of_operations(desk: Desk) -> None:
    attempt = await desk.attempt()
    many = [put(str(n), user="ada") for n in range(STORE_OPERATIONS_MAX + 1)]

    refused = await attempt.write(*many)
    taken = await attempt.write(*many[1:])

    assert refused.refused is not None
    assert "at most 1000" in refused.refused.detail
    assert len(set(taken.versions)) == STORE_OPERATIONS_MAX


async def test_a_row_that_has_changed_is_a_conflict_that_names_it(desk: Desk, people: People) -> None:
    attempt, other = await desk.attempt(), await desk.attempt()
    (version,) = (await attempt.write(put("a", user="ada"))).versions
    await other.write(put("a", user="bob"))

    answers = [
        await attempt.write(put("b", user="new"), put("a", user="eve", version=version)),
        await attempt.write(put("b", user="new"), insert("a", user="eve")),
        await attempt.write(put("b", user="new"), delete("a", version=version)),
        await attempt.write(put("b", user="new", version=7)),
    ]

    assert all(answer.refused and answer.refused.kind is Refusal.CONFLICT for answer in answers)
    assert [answer.refused.problems[0].path for answer in answers if answer.refused] == [
        "entries/a",
        "entries/a",
        "entries/a",
        "entries/b",
    ]
    assert f"expected version {version}, but it has version" in str(answers[0].refused)
    assert await people.rows() == {"a": {"user": "bob"}}


async def test_the_next_attempt_inserts_again_what_a_lost_one_had_inserted(desk: Desk) -> None:
    lost = await desk.attempt()
    await lost.write(insert("a", user="ada"))
    again = await desk.next_attempt(lost)

    assert (await again.write(insert("a", user="ada"))).refused is None
    assert (await again.write(insert("a", user="ada"))).refused is not None


async def test_a_superseded_attempt_neither_reads_nor_writes(desk: Desk, people: People) -> None:
    lost = await desk.attempt()
    await desk.next_attempt(lost)

    assert not (await lost.write(put("a", user="ada"))).held
    assert not (await lost.read()).held
    assert not (await lost.undo("n0")).held
    assert await people.rows() == {}


async def test_questions_compare_numbers_as_numbers_and_text_as_text(desk: Desk) -> None:
    attempt = await desk.attempt()
    await attempt.write(
        put("k1", user="ada", hours=9, day="2026-01-02", done=True),
        put("k2", user="Bob", hours=10, day="2026-01-01"),
        put("k3", user="ada", hours=2.5, day="2025-12-31", done=None),
        put("x4", user="éva", done=False),
    )

    assert await attempt.keys(where={"user": "ada"}) == ["k1", "k3"]
    assert await attempt.keys(where={"hours": {">": 9}}) == ["k2"]
    assert await attempt.keys(where={"hours": {"<": 10, ">=": 2.5}}) == ["k1", "k3"]
    assert await attempt.keys(where={"hours": 10.0}) == ["k2"]
    assert await attempt.keys(where={"day": {">=": "2026-01-01"}}) == ["k1", "k2"]
    assert await attempt.keys(where={"user": {"in": ["Bob", "éva"]}}) == ["k2", "x4"]
    assert await attempt.keys(where={"user": {"in": []}}) == []
    assert await attempt.keys(where={"user": {"prefix": "a"}}) == ["k1", "k3"]
    assert await attempt.keys(where={"$key": {"prefix": "k", ">": "k1"}}) == ["k2", "k3"]
    assert await attempt.keys(where={"$key": {"in": ["x4", "k2"]}}) == ["k2", "x4"]
    assert await attempt.keys(where={"done": None}) == ["k2", "k3"]
    assert await attempt.keys(where={"done": True}) == ["k1"]
    assert await attempt.keys(order="hours") == ["x4", "k3", "k1", "k2"]
    assert await attempt.keys(order="user") == ["k2", "k1", "k3", "x4"]
    assert await attempt.keys(order="hours", descending=True) == ["k2", "k1", "k3", "x4"]


async def test_pages_give_every_row_once_in_order(desk: Desk) -> None:
    attempt = await desk.attempt()
    kinds: list[dict[str, Json]] = [{}, {"hours": 3}, {"hours": -1.5}, {"done": True}, {"done": None}]
    await attempt.write(*[put(f"k{n:02}", user=f"u{n % 3}", **kinds[n % 5]) for n in range(13)])

    for order, descending in product(("$key", "hours", "user", "done"), (False, True)):
        whole = await attempt.keys(order=order, descending=descending)
        pages = await attempt.keys(order=order, descending=descending, limit=2)

        assert len(whole) == 13
        assert pages == whole, (order, descending)


async def test_a_page_has_a_limit_of_bytes(desk: Desk) -> None:
    attempt = await desk.attempt()
    for n in range(0, 12, 3):
        await attempt.write(*[put(f"{n + i:02}", user="ada", text="x" * 60_000) for i in range(3)])

    page = await attempt.read()

    assert sum(len(row.value) for row in page.rows) <= STORE_PAGE_BYTES_MAX
    assert page.next is not None
    assert len(await attempt.keys()) == 12


async def test_a_wrong_question_is_refused_with_all_that_is_wrong(desk: Desk) -> None:
    attempt = await desk.attempt()

    answer = await attempt.read(
        where={"usr": "ada", "hours": {"=>": 3}, "day": {"prefix": 3}, "done": {"<": True}, "$key": 3}
    )
    cursor = await attempt.read(cursor="nonsense")
    table = await attempt.read("entrys")

    assert answer.refused is not None
    assert len(answer.refused.problems) == 5
    assert "did you mean 'user'?" in answer.refused.problems[0].message
    assert cursor.refused is not None
    assert "cursor" in cursor.refused.detail
    assert table.refused is not None
    assert "did you mean 'entries'?" in table.refused.detail


async def test_undo_restores_exactly_what_the_node_wrote(desk: Desk, people: People) -> None:
    before = await desk.attempt()
    await before.write(put("kept", user="old", hours=1), put("gone", user="old"), put("other", user="old"))
    node = await desk.attempt("n0")
    await node.write(put("kept", user="new"), delete("gone"), insert("made", user="new"))
    await node.write(put("kept", user="newer"), put("brief", user="x"))
    await node.write(delete("brief"))
    undoing = await desk.attempt("n1", run=node.run)

    first = await undoing.undo("n0")
    second = await undoing.undo("n0")

    assert await people.rows() == {
        "kept": {"user": "old", "hours": 1},
        "gone": {"user": "old"},
        "other": {"user": "old"},
    }
    assert first.undone == StoreUndone(restored=2, deleted=1)
    assert second.undone == StoreUndone(undone_before=4)


async def test_nodes_that_wrote_one_row_are_undone_one_after_another(desk: Desk, people: People) -> None:
    first = await desk.attempt("n0")
    (version,) = (await first.write(put("a", user="first"))).versions
    second = await desk.attempt("n1", run=first.run)
    await second.write(put("a", user="second"))

    await second.undo("n1")
    between = await people.row("a")
    last = await second.undo("n0")

    assert (msgspec.json.decode(between.value), between.version) == ({"user": "first"}, version)
    assert last.undone == StoreUndone(deleted=1)
    assert await people.rows() == {}


async def test_undo_counts_what_all_attempts_of_the_node_wrote(desk: Desk, people: People) -> None:
    await (await desk.attempt()).write(put("a", user="old"))
    lost = await desk.attempt()
    await lost.write(put("a", user="one"), put("b", user="one"))
    again = await desk.next_attempt(lost)
    await again.write(put("a", user="two"))

    await (await desk.attempt("n1", run=again.run)).undo("n0")

    assert await people.rows() == {"a": {"user": "old"}}


async def test_undo_does_nothing_where_somebody_else_has_written_since(desk: Desk, people: People) -> None:
    node, other = await desk.attempt(), await desk.attempt()
    await node.write(put("a", user="node"), put("b", user="node"))
    await other.write(put("a", user="other"))
    undoing = await desk.attempt("n1", run=node.run)

    refused = await undoing.undo("n0")
    as_it_was = await people.rows()
    forced = await undoing.undo("n0", force=True)

    assert refused.refused is not None
    assert refused.refused.kind is Refusal.CONFLICT
    assert [problem.path for problem in refused.refused.problems] == ["entries/a"]
    assert str(other.run) in refused.refused.detail
    assert as_it_was == {"a": {"user": "other"}, "b": {"user": "node"}}
    assert forced.undone.deleted == 2
    assert await people.rows() == {}


async def test_undo_sees_a_write_of_others_between_two_of_the_node(desk: Desk, people: People) -> None:
    node, other = await desk.attempt(), await desk.attempt()
    await node.write(put("a", user="one"))
    await other.write(put("a", user="other"))
    await node.write(put("a", user="two"))

    refused = await (await desk.attempt("n1", run=node.run)).undo("n0")

    assert refused.refused is not None
    assert await people.rows() == {"a": {"user": "two"}}


async def test_an_undoing_can_be_undone_and_a_node_may_write_again_after_it(
    desk: Desk, people: People
) -> None:
    node = await desk.attempt()
    await node.write(put("a", user="ada"))
    undoing = await desk.attempt("n1", run=node.run)
    await undoing.undo("n0")

    await node.undo("n1")
    redone = await people.rows()
    await node.write(put("a", user="again"))
    await undoing.undo("n0")

    assert redone == {"a": {"user": "ada"}}
    assert await people.rows() == {}


async def test_a_changed_schema_is_refused_where_rows_do_not_fit(desk: Desk, people: People) -> None:
    attempt = await desk.attempt()
    await attempt.write(put("a", user="ada"), put("n", table="notes", any=1))
    stricter = json.loads(json.dumps(WORKLOG))
    stricter["tables"]["entries"]["row"]["required"] = ["user", "day"]
    wider = json.loads(json.dumps(WORKLOG))
    wider["tables"]["more"] = {"row": {"type": "object"}}
    fewer = {**WORKLOG, "tables": {"entries": WORKLOG["tables"]["entries"]}}  # type: ignore[index]

    for document, told in ((stricter, r"entries/a: 'day' is missing"), (fewer, r"notes/n: its table")):
        with pytest.raises(InvalidInput, match=told):
            await people.save(document)
    await people.save(wider)

    view = await people.view()
    assert {table.name: table.rows for table in view.tables} == {"entries": 1, "notes": 1, "more": 0}


async def test_people_write_under_the_same_rules_and_by_their_name(people: People) -> None:
    row = await people.put("a/b", {"user": "ada"})

    with pytest.raises(Conflict, match="entries/a/b: expected version 0"):
        await people.put("a/b", {"user": "x"}, version=0)
    with pytest.raises(InvalidInput, match="did you mean 'user'"):
        await people.put("c", {"usr": "x"})
    await people.delete("a/b")
    with pytest.raises(NotFound, match="a/b"):
        await people.delete("a/b")

    assert (row.by, row.run) == ("eve", None)


async def test_another_project_has_another_store(people: People) -> None:
    other = People(people.stores, f"{people.project}-other")
    with pytest.raises(NotFound, match="no store named 'worklog'"):
        await other.view()
    await other.save(WORKLOG)
    await other.put("a", {"user": "ada"})

    assert await other.rows() == {"a": {"user": "ada"}}
    assert await people.rows() == {}
