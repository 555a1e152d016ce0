"""What people ask of schedules: look at them, pause and resume them, run one now, see when one would tick."""

import asyncio
from uuid import UUID

import asyncpg

from orchestrator.engine.port import Registry, Superseded
from orchestrator.engine.schedule_views import ScheduleSummary, ScheduleView, Upcoming
from orchestrator.engine.ticks import Tick, TickRuns
from orchestrator.engine.views import Page
from orchestrator.store.composed import Database
from orchestrator.store.read_schedules import read_schedule, read_schedule_row, read_schedules, upcoming
from orchestrator.store.schedule_rows import set_paused
from orchestrator.store.schedules import Key, ask
from penstock.contracts.errors import NotFound, Unavailable
from penstock.definition import load

SUPERSEDED_TRIES_MAX = 5  # a new version is saved between our look and the start, again and again


class ScheduleControl:
    """`Schedules` over PostgreSQL."""

    def __init__(self, database: Database, pool: asyncpg.Pool, registry: Registry, runs: TickRuns) -> None:
        self._database = database
        self._pool = pool
        self._registry = registry
        self._runs = runs

    async def list(
        self, project: str, *, workflow: str | None, limit: int, cursor: str | None
    ) -> Page[ScheduleSummary]:
        return await read_schedules(self._database, project, of=workflow, limit=limit, cursor=cursor)

    async def view(self, project: str, workflow: str, name: str) -> ScheduleView:
        return await read_schedule(self._database, project, workflow, name)

    async def set_paused(
        self, project: str, workflow: str, name: str, *, paused: bool, by: str
    ) -> ScheduleView:
        await read_schedule_row(self._database, project, workflow, name)
        async with self._database.transaction() as connection:
            await set_paused(connection, project, workflow, name, paused=paused, by=by)
        return await self.view(project, workflow, name)

    async def run_now(self, project: str, workflow: str, name: str, *, by: str) -> UUID:
        await read_schedule_row(self._database, project, workflow, name)
        await self._registry.latest(project, workflow, fresh=True)  # raises Conflict when it is not active
        moment = await ask(self._pool, Key(project, workflow, name), by=by)
        if moment is None:
            raise NotFound(f"schedule of workflow '{workflow}'", name)
        for _ in range(SUPERSEDED_TRIES_MAX):
            row = await read_schedule_row(self._database, project, workflow, name)
            given = None if row.input is None else bytes(row.input)
            tick = Tick(Key(project, workflow, name), row.workflow_version, moment, given, by)
            try:
                return (await self._runs.start(tick)).run_id
            except Superseded:
                continue
        raise Unavailable(f"workflow '{workflow}' is saved or switched all the time")

    async def upcoming(self, text: bytes) -> tuple[Upcoming, ...]:
        loaded = await asyncio.to_thread(load, text)
        return await upcoming(self._database, loaded.definition)
