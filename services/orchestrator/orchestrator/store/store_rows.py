"""Rows of stores as they are written, and the journal of what each node changed. The store's row is locked before.

The order of locks: the attempt's node, the store, its rows. Statements are set-based over `unnest`.

Rows are looked up in a lateral subquery with `offset 0`, so that each name is asked of the whole primary key. For a
plain join, with statistics of a small table, the planner reads all rows of the store by a prefix of that key.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.undoing_rows import Change, RowName
from orchestrator.store.composed import Database
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

_HOLDS = """
select r.project from node n join run r on r.id = n.run_id
where n.run_id = :run and n.name = :node and n.attempt = :attempt and n.token = :token and n.state = 'running'
"""
_IS_HELD = text(_HOLDS)
_HOLD = text(f"{_HOLDS} for share of n")
_FIND = text("""
select r.table_name, r.key, r.value::text as value, r.version, r.run, r.node, r.attempt
from unnest(cast(:tables as text[]), cast(:keys as text[])) as asked (table_name, key)
cross join lateral (
  select * from store_row
  where project = :project and store = :store and table_name = asked.table_name and key = asked.key collate "C"
  offset 0
) r
""")
_PUT = text("""
insert into store_row (project, store, table_name, key, value, version, run, node, attempt, by)
select :project, :store, given.table_name, given.key, given.value,
  coalesce(given.version, nextval('store_version')),
  cast(:run as uuid), cast(:node as text), cast(:attempt as integer), cast(:by as text)
from unnest(cast(:tables as text[]), cast(:keys as text[]), cast(:values as jsonb[]), cast(:versions as bigint[]))
  as given (table_name, key, value, version)
on conflict (project, store, table_name, key) do update set
  value = excluded.value, version = excluded.version, run = excluded.run, node = excluded.node,
  attempt = excluded.attempt, by = excluded.by, written_at = now()
returning table_name, key, version
""")
_DELETE = text("""
delete from store_row where ctid = any (array(
  select r.ctid from unnest(cast(:tables as text[]), cast(:keys as text[])) as gone (table_name, key)
  cross join lateral (
    select ctid from store_row
    where project = :project and store = :store and table_name = gone.table_name and key = gone.key collate "C"
    offset 0
  ) r
))
""")
_NOTE = text("""
insert into store_change as c (
  project, store, run_id, node, attempt, table_name, key, before, before_version, after, after_version
)
select :project, :store, :run, :node, :attempt, given.*
from unnest(
  cast(:tables as text[]), cast(:keys as text[]), cast(:befores as jsonb[]), cast(:before_versions as bigint[]),
  cast(:afters as jsonb[]), cast(:after_versions as bigint[])
) as given
on conflict (run_id, node, project, store, table_name, key) do update set
  attempt = excluded.attempt, after = excluded.after, after_version = excluded.after_version, changed_at = now(),
  before = case when c.undone_at is null then c.before else excluded.before end,
  before_version = case when c.undone_at is null then c.before_version else excluded.before_version end,
  interrupted = c.undone_at is null
    and (c.interrupted or c.after_version is distinct from excluded.before_version),
  undone_at = null, undone_by = null
""")
_CHANGES = text("""
select table_name, key, before::text as before, before_version, after_version, interrupted, undone_at
from store_change
where run_id = :run and project = :project and store = :store
  and (node = :node or starts_with(node, :node || '[') and right(node, 1) = ']')
""")
_UNDONE = text("""
update store_change set undone_at = now(), undone_by = :by
where run_id = :run and project = :project and store = :store and undone_at is null
  and (node = :node or starts_with(node, :node || '[') and right(node, 1) = ']')
""")
_PAGE = text("""
select key, value::text as value from store_row
where project = :project and store = :store and table_name = :table and key > :after collate "C"
order by key limit :most
""")


class Writer(Value, frozen=True):
    """Who writes: an attempt, or a person."""

    run: UUID | None = None
    node: str | None = None
    attempt: int | None = None
    by: str | None = None


class HeldRow(Value, frozen=True):
    """A row as it is before a write."""

    value: str  # JSON
    version: int
    writer: Writer


class Written(Value, frozen=True):
    """What a write makes of a row; a value of None deletes it. `before` is None where there was no row.

    `version`: of a row that gets a former value back; a new value gets a new one.
    """

    row: RowName
    value: str | None  # JSON
    before: HeldRow | None
    version: int | None = None


@measured
async def hold_attempt(
    connection: AsyncConnection, *, run: UUID, node: str, attempt: int, token: UUID
) -> str | None:
    """The project, if the token holds the attempt; nobody else gets the attempt before the transaction ends."""
    given = {"run": run, "node": node, "attempt": attempt, "token": token}
    project: str | None = (await connection.execute(_HOLD, given)).scalar()
    return project


@measured
async def holder_of(database: Database, *, run: UUID, node: str, attempt: int, token: UUID) -> str | None:
    """The project, if the token holds the attempt now."""
    row = await database.row(_IS_HELD, run=run, node=node, attempt=attempt, token=token)
    return None if row is None else str(row.project)


@measured
async def find_rows(
    connection: AsyncConnection, project: str, store: str, rows: Sequence[RowName]
) -> dict[RowName, HeldRow]:
    found = await connection.execute(_FIND, {"project": project, "store": store, **_names(rows)})
    return {
        (row.table_name, row.key): HeldRow(row.value, row.version, Writer(row.run, row.node, row.attempt))
        for row in found
    }


@measured
async def write_rows(
    connection: AsyncConnection, project: str, store: str, written: Sequence[Written], writer: Writer
) -> dict[RowName, int]:
    """The new versions of what was put. What an attempt does is noted, too."""
    place = {"project": project, "store": store}
    put = [each for each in written if each.value is not None]
    gone = [each.row for each in written if each.value is None]
    versions: dict[RowName, int] = {}
    if put:
        values = {
            "values": [each.value for each in put],
            "versions": [each.version for each in put],
            "by": writer.by,
            **_of(writer),
        }
        found = await connection.execute(_PUT, {**place, **_names([each.row for each in put]), **values})
        versions = {(row.table_name, row.key): row.version for row in found}
    if gone:
        await connection.execute(_DELETE, {**place, **_names(gone)})
    if writer.run is not None and written:
        await _note(connection, place, written, writer, versions)
    return versions


async def _note(
    connection: AsyncConnection,
    place: dict[str, str],
    written: Sequence[Written],
    writer: Writer,
    versions: dict[RowName, int],
) -> None:
    befores = [each.before for each in written]
    noted = {
        "befores": [None if before is None else before.value for before in befores],
        "before_versions": [None if before is None else before.version for before in befores],
        "afters": [each.value for each in written],
        "after_versions": [versions.get(each.row) for each in written],
    }
    names = _names([each.row for each in written])
    await connection.execute(_NOTE, {**place, **_of(writer), **names, **noted})


@measured
async def changes_of(
    connection: AsyncConnection, project: str, store: str, *, run: UUID, node: str
) -> tuple[tuple[Change, ...], int]:
    """What the node changed, with its items if it has any, and how many of its changes were undone before."""
    found = await connection.execute(_CHANGES, {"project": project, "store": store, "run": run, "node": node})
    rows = found.all()
    open_ = [row for row in rows if row.undone_at is None]
    changes = (
        Change((row.table_name, row.key), row.before, row.before_version, row.after_version, row.interrupted)
        for row in open_
    )
    return tuple(changes), len(rows) - len(open_)


@measured
async def note_undone(
    connection: AsyncConnection, project: str, store: str, *, run: UUID, node: str, by: str
) -> None:
    """`by`: the node that undid it."""
    given = {"project": project, "store": store, "run": run, "node": node, "by": by}
    await connection.execute(_UNDONE, given)


@measured
async def page_of_table(
    connection: AsyncConnection, project: str, store: str, table: str, *, after: str, most: int
) -> list[tuple[str, str]]:
    """Keys and values as JSON, by key."""
    given = {"project": project, "store": store, "table": table, "after": after, "most": most}
    return [(row.key, row.value) for row in await connection.execute(_PAGE, given)]


def _of(writer: Writer) -> dict[str, Any]:
    return {"run": writer.run, "node": writer.node, "attempt": writer.attempt}


def _names(rows: Sequence[RowName]) -> dict[str, list[str]]:
    return {"tables": [table for table, _ in rows], "keys": [key for _, key in rows]}
