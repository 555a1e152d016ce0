"""Keeping and deleting: what is due goes with everything that is its own, and nothing else does."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from orchestrator.engine.keeping import PruneOrder, PruneReport
from orchestrator.engine.retention import Retention
from orchestrator.store.artifacts import ArtifactFolder
from orchestrator.store.collect import NAMING, delete_artifacts
from orchestrator.store.composed import open_database
from orchestrator.store.database import open_pool
from orchestrator.store.prune import TABLES_OF_A_RUN
from tests.http.builders import Rows, as_json
from tests.invariants import broken_invariants

DAY = timedelta(days=1)

# Columns of JSON that name no artifact which another column does not name too.
NAMING_NOTHING = {
    ("run", "failure"),
    ("run", "labels"),
    ("node", "failure"),
    ("run_event", "data"),
    ("runner", "agents"),
    ("breaker", "policy"),
    ("breaker", "outcomes"),
    ("breaker", "permits"),
    ("inbound_event", "attributes"),
    ("event_trigger", "match"),
    ("event_trigger", "input"),  # it stands in the version too
}


class Keeper:
    """A retention of 30 days over a database and a folder, and rows that have been there for days."""

    def __init__(self, pool: asyncpg.Pool, connection: asyncpg.Connection, files: ArtifactFolder) -> None:
        self.pool = pool
        self.rows = Rows(connection)
        self.files = files
        self.retention = Retention(pool, files, default=30 * DAY)

    async def define(self, project: str = "default") -> None:
        await self.pool.execute(
            "insert into workflow (project, name, latest_version) values ($1, 'greet', 1)", project
        )

    async def run(self, *, days: float, project: str = "default", **fields: object) -> UUID:
        """A run that ended `days` ago, unless `fields` say otherwise, with a row in every table."""
        at = datetime.now(UTC) - days * DAY
        known = {"state": "succeeded", "created_at": at - DAY / 24, "ended_at": at, "settled": True}
        run = await self.rows.run(project=project, published=1, nodes_total=1, **{**known, **fields})
        open_ = "state" in fields and fields["state"] == "running"
        await self.rows.node(run, "hello", "running" if open_ else "succeeded")
        await self.rows.event(run, 1, "run.started")
        await self.rows.log_line(run, "hello", 1, "a line")
        await self.pool.execute(
            "insert into node_checkpoint (run_id, node, attempt, value) values ($1, 'hello', 1, '{}')", run
        )
        await self.pool.execute(
            "insert into node_progress (run_id, node, attempt, done) values ($1, 'hello', 1, 1)", run
        )
        await self.pool.execute(
            "insert into store_change (project, store, run_id, node, attempt, table_name, key,"
            " before, before_version, after, after_version)"
            " values ($2, 'worklog', $1, 'hello', 1, 'entries', 'k', '{}', 1, '{}', 2)",
            run,
            project,
        )
        await self.pool.execute(
            "insert into idempotency (project, key, digest, run_id) values ($1, $2, 'd', $3)",
            project,
            str(run),
            run,
        )
        await self._budgets(project, run)
        return run

    async def _budgets(self, project: str, run: UUID) -> None:
        await self.pool.execute(
            "insert into model_call (call, run_id, node, attempt, iteration, project, workflow, workflow_version,"
            " agent, operation, model, fingerprint, occurrence, state, accounts, tokens_reserved, reply, ended_at)"
            " values ($1, $1, 'hello', 1, 1, $2, 'greet', 1, 'greeter', 'chat', 'default', 'f', 0, 'done', '{}', 9,"
            " '{}', now())",
            run,
            project,
        )
        await self.pool.execute(
            "insert into budget_account (project, key, scope, run_id) values ($1, $2, 'run', $3)",
            project,
            f"run/{run}",
            run,
        )
        await self.pool.execute("insert into budget_exceeded (run_id, key, raises) values ($1, 'k', 0)", run)
        await self.pool.execute(
            "insert into budget_question (run_id, node, question, key) values ($1, 'hello', 'q', 'k')", run
        )

    async def artifact(self, text: str, *, days: float) -> str:
        """An artifact that was stored `days` ago."""

        async def chunks() -> AsyncIterator[bytes]:
            yield text.encode()

        stored = await self.files.put(chunks())
        await self.pool.execute(
            "update artifact set stored_at = now() - $1::interval where sha256 = $2",
            days * DAY,
            stored.sha256,
        )
        return stored.sha256

    async def is_there(self, sha256: str) -> bool:
        """Its row and its file, which agree."""
        row = await self.pool.fetchval("select count(*) from artifact where sha256 = $1", sha256)
        assert self.file(sha256).exists() == bool(row)
        return bool(row)

    def file(self, sha256: str) -> Path:
        return self.files._path(sha256)

    async def prune(self, **order: object) -> PruneReport:
        return await self.retention.prune(PruneOrder(by="ada", **order))  # type: ignore[arg-type]

    async def runs(self) -> set[UUID]:
        return {row["id"] for row in await self.pool.fetch("select id from run")}

    async def partitions(self) -> set[str]:
        rows = await self.pool.fetch(
            "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'run_event'::regclass"
        )
        return {row["name"] for row in rows}


@pytest.fixture
async def keeper(database: str, tmp_path: Path) -> AsyncIterator[Keeper]:
    pool, connections = await open_pool(database), open_database(database)
    connection = await asyncpg.connect(database)
    made = Keeper(pool, connection, ArtifactFolder(tmp_path / "artifacts", connections))
    await made.define()
    yield made
    await connection.close()
    await connections.dispose()
    await pool.close()


def month_name(moment: datetime) -> str:
    return f"run_event_{moment:%Y_%m}"


def id_of(moment: datetime) -> UUID:
    """A UUIDv7 of that moment."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x8 << 60 | uuid4().int & 0xFFFF_FFFF_FFFF)


async def test_an_old_run_goes_with_everything_that_is_its_own(keeper: Keeper, database: str) -> None:
    await keeper.run(days=31)
    young = await keeper.run(days=29)

    report = await keeper.prune()

    assert (report.runs, report.events, report.log_lines, report.more) == (1, 1, 1, False)
    assert await keeper.runs() == {young}
    for table in TABLES_OF_A_RUN:
        assert await keeper.rows.count(table) == 1, table
    assert await broken_invariants(database) == {}


async def test_open_runs_and_those_that_are_not_on_the_bus_stay(keeper: Keeper) -> None:
    await keeper.run(days=100, state="running", ended_at=None, settled=False, nodes_open=1)
    await keeper.run(days=100, settled=False)

    assert (await keeper.prune(older_than=timedelta(0))).runs == 0
    assert len(await keeper.runs()) == 2


async def test_a_run_stays_as_long_as_another_one_refers_to_it(keeper: Keeper) -> None:
    source = await keeper.run(days=40)
    fork = await keeper.run(days=1, source_run=source)
    parent = await keeper.run(days=1)
    child = await keeper.run(days=40, parent_run=parent)

    grandchild = await keeper.run(days=40, parent_run=child)

    assert (await keeper.prune(dry_run=True)).runs == (await keeper.prune()).runs == 0
    foretold = await keeper.prune(older_than=timedelta(0), dry_run=True)
    report = await keeper.prune(older_than=timedelta(0))

    assert foretold.runs == report.runs == len({source, fork, parent, child, grandchild})


async def test_each_project_keeps_as_long_as_it_has_set(keeper: Keeper) -> None:
    await keeper.define("brief")
    await keeper.retention.set_retention("brief", 2 * DAY, by="ada")
    kept = {await keeper.run(days=3), await keeper.run(days=1, project="brief")}
    await keeper.run(days=3, project="brief")

    await keeper.prune()

    assert await keeper.runs() == kept
    assert (await keeper.retention.retention("brief")).retention == "2d"
    assert (await keeper.retention.retention("default")).is_default


async def test_an_order_can_name_one_project_and_another_age(keeper: Keeper) -> None:
    await keeper.define("other")
    kept = {await keeper.run(days=3), await keeper.run(days=1, project="other")}
    await keeper.run(days=3, project="other")

    report = await keeper.prune(project="other", older_than=2 * DAY)

    assert report.runs == 1
    assert await keeper.runs() == kept


async def test_a_dry_run_tells_what_the_order_does_and_deletes_nothing(keeper: Keeper) -> None:
    long_ago = datetime.now(UTC) - 90 * DAY
    await keeper.pool.execute("select penstock_add_month($1)", long_ago)
    sha256 = await keeper.artifact("only the old run names it", days=50)
    await keeper.run(days=31, id=id_of(long_ago), input=as_json({"file": f"artifact://{sha256}/a"}))
    await keeper.run(days=31)
    await keeper.run(days=1)

    foretold = await keeper.prune(dry_run=True)

    assert foretold.runs == 2
    assert foretold.partitions == (month_name(long_ago),)
    assert foretold.artifacts == 1
    assert len(await keeper.runs()) == 3
    assert await keeper.is_there(sha256)
    done = await keeper.prune()
    assert {**fields(done), "dry_run": True} == fields(foretold)
    assert not await keeper.is_there(sha256)


def fields(report: PruneReport) -> dict[str, object]:
    return {name: getattr(report, name) for name in report.__struct_fields__}


async def test_two_pruners_share_the_work(keeper: Keeper) -> None:
    for _ in range(30):
        await keeper.run(days=40)
    await keeper.artifact("nobody's", days=2)

    reports = await asyncio.gather(*(keeper.prune() for _ in range(4)))

    assert sum(report.runs for report in reports) == 30
    assert sum(report.artifacts for report in reports) == 1
    assert await keeper.rows.count("run_event") == 0


async def test_a_run_that_somebody_holds_is_left_for_the_next_time(keeper: Keeper) -> None:
    held = await keeper.run(days=40)
    async with keeper.pool.acquire() as connection, connection.transaction():
        await connection.fetch("select 1 from run where id = $1 for update", held)
        assert (await keeper.prune()).runs == 0

    assert (await keeper.prune()).runs == 1


async def test_months_are_there_ahead_of_time(keeper: Keeper) -> None:
    now = datetime.now(UTC)
    following = (now.replace(day=1) + 32 * DAY).replace(day=1)
    assert {month_name(now), month_name(following)} <= await keeper.partitions()
    run = await keeper.run(days=0)

    place = await keeper.pool.fetchval(
        "select tableoid::regclass::text from run_event where run_id = $1", run
    )

    assert place == month_name(now)


async def test_a_month_takes_what_waited_in_the_default_partition(keeper: Keeper, database: str) -> None:
    long_ago = datetime.now(UTC) - 90 * DAY
    run = await keeper.run(days=1, id=id_of(long_ago))
    stranger = await keeper.run(days=1, id=uuid4())

    await keeper.pool.execute("select penstock_add_month($1)", long_ago)
    await keeper.pool.execute("select penstock_add_month($1)", long_ago)

    rows = await keeper.pool.fetch("select run_id, tableoid::regclass::text as place from run_event")
    assert {row["run_id"]: row["place"] for row in rows} == {
        run: month_name(long_ago),
        stranger: "run_event_default",
    }
    assert await broken_invariants(database) == {}


async def test_a_past_month_is_dropped_with_its_last_run(keeper: Keeper) -> None:
    long_ago = datetime.now(UTC) - 90 * DAY
    await keeper.pool.execute("select penstock_add_month($1)", long_ago)
    before = await keeper.partitions()
    run = await keeper.run(days=1, id=id_of(long_ago))

    assert (await keeper.prune()).partitions == ()
    await keeper.pool.execute("update run set ended_at = $2 where id = $1", run, long_ago)
    await keeper.pool.execute("update run set created_at = $2 where id = $1", run, long_ago)
    reports = await asyncio.gather(keeper.prune(), keeper.prune())

    assert sorted(report.partitions for report in reports) == [(), (month_name(long_ago),)]
    assert await keeper.partitions() == before - {month_name(long_ago)}


@pytest.mark.parametrize("place", sorted((t, c) for t, columns in NAMING.items() for c in columns))
async def test_an_artifact_that_is_named_stays(keeper: Keeper, place: tuple[str, str]) -> None:
    sha256 = await keeper.artifact("named somewhere", days=90)
    await keeper.run(days=1)
    await keeper.pool.execute(
        "insert into workflow_version (project, name, version, digest, source)"
        " values ('default', 'greet', 1, 'd', '{}')"
    )
    await keeper.pool.execute(
        "insert into cached_output (project, agent, key, output, run_id, node, expires_at)"
        " values ('default', 'greeter', 'k', '{}', $1, 'hello', now() + interval '1 day')",
        uuid4(),
    )
    await keeper.pool.execute(
        "insert into schedule (project, workflow, name, workflow_version, cron, timezone, overlap, catch_up, next_at)"
        " values ('default', 'greet', 'daily', 1, '0 6 * * *', 'UTC', 'skip', 'one', now())"
    )
    await keeper.pool.execute(
        "insert into inbound_event (project, source, id, type, data, attributes)"
        " values ('default', '/shop', '1', 'com.example.paid', '{}', '{}')"
    )
    await keeper.pool.execute(
        "insert into event_reaction (event_seq, workflow, trigger, outcome, key, due_at)"
        " select seq, 'greet', 'event-1', 'due', 'k', now() from inbound_event"
    )
    await keeper.pool.execute(
        "insert into store (project, name, definition, digest) values ('default', 'worklog', '{}', 'd')"
    )
    await keeper.pool.execute(
        "insert into store_row (project, store, table_name, key, value, version, by)"
        " values ('default', 'worklog', 'entries', 'k', '{}', 1, 'ada')"
    )
    table, column = place
    await keeper.pool.execute(
        f"update {table} set {column} = $1", as_json({"deep": [f"artifact://{sha256}/report.html"]})
    )

    assert (await keeper.prune()).artifacts == 0
    assert await keeper.is_there(sha256)


async def test_an_artifact_goes_when_nothing_names_it_and_its_grace_is_over(keeper: Keeper) -> None:
    old, young = await keeper.artifact("old", days=2), await keeper.artifact("young", days=0.9)
    await keeper.run(days=1)

    report = await keeper.prune()

    assert (report.artifacts, report.artifact_bytes) == (1, len("old"))
    assert not await keeper.is_there(old)
    assert await keeper.is_there(young)


async def test_storing_the_same_bytes_again_begins_the_grace_anew(keeper: Keeper) -> None:
    sha256 = await keeper.artifact("twice", days=10)
    await keeper.artifact("twice", days=0)

    assert (await keeper.prune()).artifacts == 0
    assert await keeper.is_there(sha256)


async def test_bytes_that_are_stored_while_they_are_deleted_are_there_afterwards(keeper: Keeper) -> None:
    sha256 = hashlib.sha256(b"contended").hexdigest()
    for _ in range(20):
        await keeper.artifact("contended", days=2)
        await asyncio.gather(keeper.prune(), keeper.artifact("contended", days=0), keeper.prune())
        assert await keeper.is_there(sha256)


async def test_a_file_whose_row_has_come_back_is_not_removed(keeper: Keeper) -> None:
    sha256 = await keeper.artifact("back again", days=2)
    assert await delete_artifacts(keeper.pool, [sha256], grace=DAY) == {sha256: 10}
    await keeper.artifact("back again", days=0)

    await keeper.files.remove(sha256)

    assert await keeper.is_there(sha256)


async def test_files_that_lost_their_row_long_ago_are_removed(keeper: Keeper) -> None:
    kept, stray, fresh = [await keeper.artifact(name, days=0) for name in ("kept", "stray", "fresh")]
    await keeper.pool.execute("delete from artifact where sha256 <> $1", kept)
    for sha256 in (kept, stray):
        os.utime(keeper.file(sha256), (0, 0))

    assert await keeper.files.remove_strays() == 1

    assert await keeper.is_there(kept)
    assert not await keeper.is_there(stray)
    assert keeper.file(fresh).exists()


async def test_the_clock_prunes_at_once_and_then_rests(keeper: Keeper) -> None:
    await keeper.run(days=40)
    await keeper.retention()
    assert await keeper.runs() == set()
    late = await keeper.run(days=40)

    await keeper.retention()

    assert await keeper.runs() == {late}


async def test_every_table_of_a_run_is_known(keeper: Keeper) -> None:
    """A table that is not in the list would keep its rows for ever."""
    rows = await keeper.pool.fetch(
        "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where a.attname = 'run_id' and c.relkind in ('r', 'p') and not c.relispartition"
    )

    outliving = {"cached_output", "schedule_tick", "event_reaction", "event_taken"}
    assert {row["relname"] for row in rows} - outliving == set(TABLES_OF_A_RUN)


async def test_every_column_that_may_name_an_artifact_is_known(keeper: Keeper) -> None:
    """A column that is not in the list would lose its artifacts."""
    rows = await keeper.pool.fetch(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where a.atttypid in ('json'::regtype, 'jsonb'::regtype) and c.relkind in ('r', 'p')"
        " and not c.relispartition and c.relnamespace = 'public'::regnamespace"
    )
    named = {(table, column) for table, columns in NAMING.items() for column in columns}

    assert {(row["relname"], row["attname"]) for row in rows} - NAMING_NOTHING == named
