"""Schedules on a real database: one run for each tick, whoever fires it and whatever dies. Tests move `next_at`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from orchestrator.domain.events import AttemptReleased
from orchestrator.engine.schedule_control import ScheduleControl
from orchestrator.engine.schedules import ScheduleSweep
from orchestrator.engine.ticks import Tick, TickRuns
from orchestrator.store.composed import Database, open_database
from orchestrator.store.registry import WorkflowRegistry
from orchestrator.store.schedule_rows import replace_schedules
from orchestrator.store.schedules import TAKEN_ROWS_MAX, Key
from penstock.contracts.errors import Conflict, InvalidInput, NotFound, Unavailable
from penstock.contracts.value import replace
from penstock.contracts.workflow import CatchUp, Overlap, ScheduleTrigger
from penstock.definition.expressions import Expressions
from penstock.definition.load import from_document
from tests.engine.conftest import World
from tests.engine.test_apply import assert_invariants

KEY = Key("default", "report", "hourly")
BEGAN = datetime.now(UTC).replace(second=0, microsecond=0)  # ticks are told from here: none is on time
REPORT = {
    "name": "report",
    "inputs": {"type": "object", "properties": {"value": {"type": "integer", "default": 7}}},
    "nodes": {"write": {"agent": "echo", "with": {"value": "${{ inputs.value }}"}}},
}


@dataclass
class Scheduling:
    """What an orchestrator has to fire and to steer schedules."""

    world: World
    database: Database
    registry: WorkflowRegistry
    runs: TickRuns
    sweep: ScheduleSweep
    control: ScheduleControl

    async def schedule(self, *triggers: ScheduleTrigger, version: int = 1) -> None:
        definition = from_document(REPORT)
        fields = {name: getattr(definition, name) for name in definition.__struct_fields__}
        with_triggers = type(definition)(**fields | {"triggers": triggers})
        async with self.database.transaction() as connection:
            await replace_schedules(connection, "default", with_triggers, version)

    async def due_since(self, moment: datetime) -> None:
        """Nobody has looked since that moment, which is a tick."""
        await self.world.pool.execute("update schedule set next_at = $1", moment)

    async def ticks(self) -> list[asyncpg.Record]:
        return await self.world.pool.fetch("select * from schedule_tick order by moment")

    async def outcomes(self) -> list[str]:
        return [row["outcome"] for row in await self.ticks()]

    async def run_ids(self) -> list[UUID]:
        return [
            row["id"] for row in await self.world.pool.fetch("select id from run order by created_at, id")
        ]

    async def end(self, run: UUID) -> None:
        await self.world.succeed(run, "write")


async def opened(world: World, url: str, stack: AsyncExitStack) -> Scheduling:
    database = open_database(url)
    stack.push_async_callback(database.dispose)
    registry = WorkflowRegistry(database)
    runs = TickRuns(world.pool, world.engine, registry, Expressions().evaluate)
    sweep = ScheduleSweep(world.pool, world.engine, runs)
    control = ScheduleControl(database, world.pool, registry, runs)
    return Scheduling(world, database, registry, runs, sweep, control)


@pytest.fixture
async def here(world: World, database: str) -> AsyncIterator[Scheduling]:
    """An orchestrator with workflow `report`, which has a schedule of every hour."""
    async with AsyncExitStack() as stack:
        scheduling = await opened(world, database, stack)
        await world.define(REPORT)
        await scheduling.schedule(hourly())
        yield scheduling


@pytest.fixture
async def there(second_world: World, database: str) -> AsyncIterator[Scheduling]:
    """Another orchestrator on the same database."""
    async with AsyncExitStack() as stack:
        yield await opened(second_world, database, stack)


def hourly(
    catch_up: CatchUp = CatchUp.ALL, overlap: Overlap = Overlap.SKIP, *, ago: int = 30, **fields: Any
) -> ScheduleTrigger:
    """Ticks so many minutes before the tests, and every hour."""
    minute = (BEGAN - timedelta(minutes=ago)).minute
    return ScheduleTrigger(
        cron=f"{minute} * * * *", name="hourly", catch_up=catch_up, overlap=overlap, **fields
    )


def hours_ago(count: int, *, ago: int = 30) -> datetime:
    """The tick that was so many hours before the latest one."""
    return BEGAN - timedelta(hours=count, minutes=ago)


async def test_a_tick_starts_one_run_that_tells_its_schedule(here: Scheduling) -> None:
    await here.due_since(hours_ago(0))

    await here.sweep()
    await here.sweep()

    (tick,) = await here.ticks()
    (run_id,) = await here.run_ids()
    run = await here.world.run(run_id)
    assert (tick["outcome"], tick["run_id"], tick["moment"]) == ("started", run_id, hours_ago(0))
    assert json.loads(run["labels"]) == {"schedule": "hourly"}
    assert json.loads(run["input"]) == {"value": 7}
    row = await here.world.pool.fetchrow("select next_at, last_tick from schedule")
    assert (row["last_tick"], row["next_at"]) == (hours_ago(0), hours_ago(-1))
    await assert_invariants(here.world)


async def test_before_its_moment_nothing_starts(here: Scheduling) -> None:
    await here.sweep()

    assert await here.ticks() == []


@pytest.mark.parametrize(
    ("catch_up", "started", "missed"), [(CatchUp.NONE, 0, 73), (CatchUp.ONE, 1, 72), (CatchUp.ALL, 73, 0)]
)
async def test_after_an_outage_of_three_days_as_many_run_as_catch_up_says(
    here: Scheduling, catch_up: CatchUp, started: int, missed: int
) -> None:
    await here.schedule(hourly(catch_up, Overlap.ALLOW))
    await here.due_since(hours_ago(72))

    await here.sweep()

    outcomes = await here.outcomes()
    assert outcomes.count("missed") == missed
    assert outcomes.count("started") == len(await here.run_ids()) == started


async def test_orchestrators_that_sweep_at_once_start_each_tick_once(
    here: Scheduling, there: Scheduling
) -> None:
    await here.schedule(hourly(overlap=Overlap.ALLOW))
    for round_ in range(3):
        await here.due_since(hours_ago(20 * (3 - round_)))  # what was fired before is asked for again

        await asyncio.gather(*(each.sweep() for each in (here, there) for _ in range(3)))

    ticks = await here.ticks()
    assert len(ticks) == 61
    assert len({tick["run_id"] for tick in ticks}) == len(await here.run_ids()) == 61
    await assert_invariants(here.world)


async def test_one_sweep_fires_all_that_is_due_however_many(here: Scheduling) -> None:
    count = 2 * TAKEN_ROWS_MAX + 5
    await here.schedule(*(replace(hourly(), name=f"s{number}") for number in range(count)))
    await here.due_since(hours_ago(0))

    await here.sweep()

    assert await here.outcomes() == ["started"] * count


async def test_two_that_both_hold_a_tick_start_one_run(here: Scheduling, there: Scheduling) -> None:
    """One was frozen past its time with the schedule, and the other went on."""
    tick = Tick(KEY, 1, hours_ago(0), None, None)

    first, second = await asyncio.gather(here.runs.start(tick), there.runs.start(tick))

    assert first.run_id == second.run_id
    assert await here.run_ids() == [first.run_id]


async def test_one_that_dies_between_the_tick_and_its_run_leaves_it_to_another(
    here: Scheduling, there: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.due_since(hours_ago(0))
    monkeypatch.setattr(here.world.engine, "start", dies)
    await here.sweep()
    assert await here.outcomes() == ["due"]

    await there.sweep()
    assert await here.run_ids() == []  # the dead one still has it
    await time_with_it_is_over(here)
    await there.sweep()

    assert await here.outcomes() == ["started"]
    assert len(await here.run_ids()) == 1


async def test_one_that_dies_between_the_run_and_its_note_has_started_it(
    here: Scheduling, there: Scheduling
) -> None:
    await here.due_since(hours_ago(0))
    await here.sweep()
    (run_id,) = await here.run_ids()
    await here.world.pool.execute(
        "update schedule_tick set outcome = 'due', run_id = null, open = false"
    )  # as it was before the note

    await there.sweep()

    (tick,) = await here.ticks()
    assert (tick["outcome"], tick["run_id"], tick["open"]) == ("started", run_id, True)
    assert await here.run_ids() == [run_id]


async def time_with_it_is_over(here: Scheduling) -> None:
    await here.world.pool.execute("update schedule set taken_until = now()")


async def two_ticks(here: Scheduling, overlap: Overlap) -> UUID:
    """A tick, and another one while the run of the first is open; returns that run."""
    await here.schedule(hourly(overlap=overlap))
    await here.due_since(hours_ago(0))
    await here.sweep()
    (first,) = await here.run_ids()
    await here.schedule(hourly(overlap=overlap, ago=15))
    await here.due_since(hours_ago(0, ago=15))
    await here.sweep()
    return first


async def test_skip_lets_a_tick_pass_while_a_run_is_open(here: Scheduling) -> None:
    first = await two_ticks(here, Overlap.SKIP)

    assert await here.outcomes() == ["started", "skipped"]
    assert str(first) in (await here.ticks())[1]["reason"]


async def test_queue_starts_the_tick_when_the_run_has_ended(here: Scheduling) -> None:
    first = await two_ticks(here, Overlap.QUEUE)
    await here.sweep()
    assert await here.outcomes() == ["started", "queued"]

    await here.end(first)
    await here.sweep()

    assert await here.outcomes() == ["started", "started"]
    assert len(await here.run_ids()) == 2


async def test_allow_starts_beside_what_runs(here: Scheduling) -> None:
    await two_ticks(here, Overlap.ALLOW)

    assert await here.outcomes() == ["started", "started"]


async def test_cancel_previous_starts_when_the_cancelled_run_has_ended(here: Scheduling) -> None:
    await here.schedule(hourly(overlap=Overlap.CANCEL_PREVIOUS))
    await here.due_since(hours_ago(0))
    await here.sweep()
    (first,) = await here.run_ids()
    token = await here.world.claim(first, "write")

    await here.schedule(hourly(overlap=Overlap.CANCEL_PREVIOUS, ago=15))
    await here.due_since(hours_ago(0, ago=15))
    await here.sweep()
    while_it_stops = (await here.world.run(first))["state"], await here.outcomes()
    await here.world.engine.handle([(first, AttemptReleased("write", 1, token))])
    await here.sweep()

    assert while_it_stops == ("cancelling", ["started", "queued"])
    assert (await here.world.run(first))["state"] == "cancelled"
    assert await here.outcomes() == ["started", "started"]


async def test_the_input_may_speak_of_the_schedule(here: Scheduling) -> None:
    given = {"value": 3, "at": "${{ schedule.at }}", "who": "by ${{ schedule.name }}"}
    await here.schedule(hourly(input=given))
    await here.due_since(hours_ago(0))

    await here.sweep()

    (run_id,) = await here.run_ids()
    run_input = json.loads((await here.world.run(run_id))["input"])
    assert datetime.fromisoformat(run_input.pop("at")) == hours_ago(0)
    assert run_input == {"value": 3, "who": "by hourly"}


async def test_an_input_that_does_not_fit_is_refused_with_its_reason(here: Scheduling) -> None:
    await here.schedule(hourly(input={"value": "${{ schedule.name }}"}))
    await here.due_since(hours_ago(0))

    await here.sweep()

    (tick,) = await here.ticks()
    assert (tick["outcome"], tick["run_id"]) == ("refused", None)
    assert "value" in tick["reason"]
    with pytest.raises(InvalidInput):
        await here.control.run_now("default", "report", "hourly", by="ada")


async def test_what_a_person_paused_stays_so_and_is_not_made_up_for(here: Scheduling) -> None:
    await here.control.set_paused("default", "report", "hourly", paused=True, by="ada")
    await here.due_since(hours_ago(5))
    await here.schedule(hourly())  # a new version
    await here.sweep()
    paused = await here.control.view("default", "report", "hourly")

    resumed = await here.control.set_paused("default", "report", "hourly", paused=False, by="bob")
    await here.sweep()

    assert (paused.paused, paused.paused_by, paused.next_at, paused.ticks) == (True, "ada", None, ())
    assert (resumed.paused, resumed.paused_by, resumed.next_at) == (False, "bob", hours_ago(-1))
    assert await here.ticks() == []


async def test_a_deactivated_workflow_does_not_tick_and_goes_on_from_when_it_is_active(
    here: Scheduling,
) -> None:
    await here.registry.set_active("default", "report", False)
    await here.due_since(hours_ago(5))
    await here.sweep()
    assert (await here.control.view("default", "report", "hourly")).next_at is None
    with pytest.raises(Conflict, match="not active"):
        await here.control.run_now("default", "report", "hourly", by="ada")

    await here.registry.set_active("default", "report", True)
    await here.sweep()

    assert (await here.control.view("default", "report", "hourly")).next_at == hours_ago(-1)
    assert await here.ticks() == []


async def test_activating_what_is_active_forgets_no_tick(here: Scheduling) -> None:
    await here.due_since(hours_ago(0))

    await here.registry.set_active("default", "report", True)
    await here.sweep()

    assert await here.outcomes() == ["started"]


async def test_a_new_version_keeps_what_ticks_as_before_and_drops_what_it_has_not(here: Scheduling) -> None:
    await here.due_since(hours_ago(2))
    await here.schedule(hourly(CatchUp.ONE))
    kept = (await here.control.view("default", "report", "hourly")).next_at
    await here.schedule(hourly(ago=15))
    changed = (await here.control.view("default", "report", "hourly")).next_at
    await here.schedule(ScheduleTrigger(cron="0 6 * * *", name="daily"))

    assert (kept, changed) == (hours_ago(2), hours_ago(-1, ago=15))
    page = await here.control.list("default", workflow="report", limit=10, cursor=None)
    assert [item.name for item in page.items] == ["daily"]


async def test_a_tick_of_a_schedule_that_is_gone_starts_nothing(here: Scheduling) -> None:
    await two_ticks(here, Overlap.QUEUE)

    await here.schedule(version=2)
    await here.sweep()

    assert await here.outcomes() == ["started", "missed"]
    assert "version 2" in (await here.ticks())[1]["reason"]


async def test_run_now_starts_one_run_also_of_a_paused_schedule_and_says_who(here: Scheduling) -> None:
    await here.control.set_paused("default", "report", "hourly", paused=True, by="ada")

    run_id = await here.control.run_now("default", "report", "hourly", by="bob")

    view = await here.control.view("default", "report", "hourly")
    assert [(tick.outcome, tick.by, tick.run_id, tick.run_state) for tick in view.ticks] == [
        ("started", "bob", run_id, "running")
    ]
    assert await here.run_ids() == [run_id]


async def test_what_was_asked_for_survives_whoever_was_asked(
    here: Scheduling, there: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here.world.engine, "start", dies)
    with pytest.raises(Unavailable):
        await here.control.run_now("default", "report", "hourly", by="bob")

    await there.sweep()
    assert await here.run_ids() == []  # its answer may still be on the way
    await here.world.pool.execute("update schedule_tick set at = now() - interval '1 minute'")
    await there.sweep()

    (tick,) = await here.ticks()
    assert (tick["outcome"], tick["by"]) == ("started", "bob")
    assert len(await here.run_ids()) == 1


async def dies(*_: object) -> None:
    """Instead of starting a run: the orchestrator is killed here."""
    raise Unavailable("killed")


async def test_unknown_ones_are_answered_with_the_nearest_name(here: Scheduling) -> None:
    with pytest.raises(NotFound, match="did you mean 'hourly'"):
        await here.control.view("default", "report", "hourl")
    with pytest.raises(NotFound, match="did you mean 'report'"):
        await here.control.set_paused("default", "reprot", "hourly", paused=True, by="ada")
    with pytest.raises(NotFound):
        await here.control.run_now("other", "report", "hourly", by="ada")
