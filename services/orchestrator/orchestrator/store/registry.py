"""The registry of workflows: save (unchanged → same version, changed → the next), look up, list, (de)activate."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.engine.port import Saved, StartRun
from orchestrator.engine.views import Page, VersionSummary, WorkflowDiff, WorkflowSummary, WorkflowView
from orchestrator.store.compiled import CompiledWorkflow, compile_workflow
from orchestrator.store.composed import Database
from orchestrator.store.cursor import NameKey, VersionKey, read_cursor, write_cursor
from orchestrator.store.read_versions import DESCRIPTION, read_versions
from orchestrator.store.read_workflows import PAUSE, decoded_text, read_workflow_events, summary_of
from orchestrator.store.saving_checks import warnings_of_offers, warnings_on_saving
from orchestrator.store.schedule_rows import restart_schedules
from orchestrator.store.tables import workflow, workflow_version
from orchestrator.store.trigger_rows import replace_triggers
from penstock.contracts.errors import Conflict, InvalidInput, NotFound, Problem
from penstock.contracts.names import is_name
from penstock.definition import LoadedDefinition, check, load
from penstock.definition.diff import Change, diff
from penstock.telemetry.operations import measured

VERSIONS_KEPT_MAX = 256  # compiled versions in memory; a run needs its own at every read
NAMES_SUGGESTED_FROM_MAX = 2_000  # names that are compared with a wrong one

_is_latest = (
    (workflow_version.c.project == workflow.c.project)
    & (workflow_version.c.name == workflow.c.name)
    & (workflow_version.c.version == workflow.c.latest_version)
)
_SUMMARY = (
    workflow.c.project,
    workflow.c.name,
    workflow_version.c.version,
    workflow.c.active,
    DESCRIPTION.label("description"),
    workflow_version.c.digest,
    workflow_version.c.created_at,
    *PAUSE,
)


class _Latest(NamedTuple):
    version: int
    active: bool


class WorkflowRegistry:
    """`Registry` over PostgreSQL. Versions never change, so compiled ones are kept in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._compiled: OrderedDict[tuple[str, str, int], CompiledWorkflow] = OrderedDict()
        self._latest: dict[tuple[str, str], _Latest] = {}

    async def check(self, text: bytes) -> tuple[Problem, ...]:
        """In a thread: a definition of 1 MiB takes long enough for others to notice."""
        problems = tuple(await asyncio.to_thread(check, text))
        if any(problem.severity == "error" for problem in problems):
            return problems
        loaded = await asyncio.to_thread(load, text)
        return (*problems, *await warnings_of_offers(self._database, loaded, text))

    @measured
    async def save(self, project: str, text: bytes) -> Saved:
        loaded = await asyncio.to_thread(load, text)
        name = loaded.definition.name
        warnings = (*loaded.warnings, *await warnings_on_saving(self._database, project, loaded, text))
        async with self._database.transaction() as connection:
            version, created = await _save(connection, project, loaded)
        self._latest.pop((project, name), None)
        view = await self._view(project, name, version, warnings)
        return Saved(workflow=view, created=created)

    async def resolve(self, project: str, name: str, version: int) -> CompiledWorkflow:
        key = (project, name, version)
        compiled = self._compiled.get(key)
        if compiled is not None:
            self._compiled.move_to_end(key)
            return compiled
        compiled = compile_workflow(project, version, await self._source(project, name, version))
        self._compiled[key] = compiled
        if len(self._compiled) > VERSIONS_KEPT_MAX:
            self._compiled.popitem(last=False)
        return compiled

    async def check_input(self, request: StartRun) -> bytes:
        """The input of a run that is to be started, with defaults filled in."""
        workflow = await self.resolve(request.project, request.workflow, request.version)
        return workflow.check_input(request.input)

    async def latest(self, project: str, name: str, *, fresh: bool = False) -> CompiledWorkflow:
        known = None if fresh else self._latest.get((project, name))
        if known is None or not known.active:
            known = self._latest[project, name] = await self._read_latest(project, name)
        if not known.active:
            raise Conflict(f"workflow '{name}' is not active; activate it before starting a run of it")
        return await self.resolve(project, name, known.version)

    async def view(self, project: str, name: str, version: int | None) -> WorkflowView:
        known = version or (await self._read_latest(project, name)).version
        problems = await self.check(await self._source(project, name, known))
        return await self._view(project, name, known, [p for p in problems if p.severity == "warning"])

    @measured
    async def list(
        self, project: str, *, active: bool | None, limit: int, cursor: str | None
    ) -> Page[WorkflowSummary]:
        found = select(*_SUMMARY).join_from(workflow, workflow_version, _is_latest)
        found = found.where(workflow.c.project == project)
        if active is not None:
            found = found.where(workflow.c.active.is_(active))
        if cursor is not None:
            found = found.where(workflow.c.name > read_cursor(cursor, NameKey).name)
        rows = await self._database.rows(found.order_by(workflow.c.name).limit(limit + 1))
        items = tuple(summary_of(row) for row in rows[:limit])
        more = len(rows) > limit
        return Page(items=items, next=write_cursor(NameKey(items[-1].name)) if more else None)

    async def versions(
        self, project: str, name: str, *, limit: int, cursor: str | None
    ) -> Page[VersionSummary]:
        below = None if cursor is None else read_cursor(cursor, VersionKey).version
        latest = await self._read_latest(project, name)
        rows = await read_versions(self._database, project, name, below=below, limit=limit + 1)
        items = tuple(_version_of(row, latest) for row in rows[:limit])
        more = len(rows) > limit
        return Page(items=items, next=write_cursor(VersionKey(items[-1].version)) if more else None)

    async def diff(self, project: str, name: str, *, before: int | None, after: int | None) -> WorkflowDiff:
        to = after or (await self._read_latest(project, name)).version
        since = before or to - 1
        if since == 0:
            raise InvalidInput.at(
                "from", f"there is no version before '{name}' {to}; name one to compare with"
            )
        old, new = await self._source(project, name, since), await self._source(project, name, to)
        changes = await asyncio.to_thread(_changes, old, new)
        nodes = dict.fromkeys(change.node for change in changes if change.node is not None)
        return WorkflowDiff(name=name, from_=since, to=to, changes=changes, nodes=tuple(nodes))

    async def set_active(self, project: str, name: str, active: bool) -> WorkflowView:
        if is_name(name):
            other = update(workflow).where(*_is(project, name), workflow.c.active.is_not(active))
            change = other.values(active=active).returning(workflow.c.name)
            async with self._database.transaction() as connection:
                if (await connection.execute(change)).first() is not None and active:
                    await restart_schedules(connection, project, name)
        self._latest.pop((project, name), None)
        return await self.view(project, name, None)

    async def _view(self, project: str, name: str, version: int, warnings: Iterable[Problem]) -> WorkflowView:
        same = (workflow_version.c.project == workflow.c.project) & (
            workflow_version.c.name == workflow.c.name
        )
        row = await self._database.row(
            select(*_SUMMARY, workflow_version.c.source)
            .join_from(workflow, workflow_version, same)
            .where(*_is(project, name), workflow_version.c.version == version)
        )
        if row is None:
            raise await self._not_found(project, name, version)
        summary = msgspec.structs.asdict(summary_of(row))
        events = await read_workflow_events(self._database, project, name)
        return WorkflowView(**summary, definition=row.source, warnings=tuple(warnings), events=events)

    @measured
    async def _source(self, project: str, name: str, version: int) -> bytes:
        row = None
        if is_name(name):
            row = await self._database.row(
                select(workflow_version.c.source).where(
                    workflow_version.c.project == project,
                    workflow_version.c.name == name,
                    workflow_version.c.version == version,
                )
            )
        if row is None:
            raise await self._not_found(project, name, version)
        return bytes(row.source)

    @measured
    async def _read_latest(self, project: str, name: str) -> _Latest:
        row = None
        if is_name(name):
            row = await self._database.row(
                select(workflow.c.latest_version, workflow.c.active).where(*_is(project, name))
            )
        if row is None:
            raise await self._not_found(project, name, None)
        return _Latest(version=row.latest_version, active=row.active)

    async def _not_found(self, project: str, name: str, version: int | None) -> NotFound:
        """Which of the two is unknown, the workflow or its version, with the nearest that is known."""
        rows = await self._database.rows(
            select(workflow.c.name, workflow.c.latest_version)
            .where(workflow.c.project == project)
            .order_by(workflow.c.name)
            .limit(NAMES_SUGGESTED_FROM_MAX)
        )
        latest = {row.name: row.latest_version for row in rows}
        if version is None or name not in latest:
            return NotFound("workflow", name, tuple(latest))
        known = "there is only version 1" if latest[name] == 1 else f"there are versions 1 to {latest[name]}"
        return NotFound("workflow version", f"{name}/{version}", known=known)


async def _save(connection: AsyncConnection, project: str, loaded: LoadedDefinition) -> tuple[int, bool]:
    """The version, and whether it was made now. The workflow's row is locked first: savers queue here."""
    name = loaded.definition.name
    first = insert(workflow).values(project=project, name=name, latest_version=1).on_conflict_do_nothing()
    if (await connection.execute(first.returning(workflow.c.name))).first() is not None:
        await _add_version(connection, project, loaded, 1)
        await replace_triggers(connection, project, loaded.definition, 1)
        return 1, True
    lock = select(workflow.c.latest_version).where(*_is(project, name)).with_for_update()
    latest: int = (await connection.execute(lock)).scalar_one()
    if await _digest(connection, project, name, latest) == loaded.digest:
        return latest, False
    await _add_version(connection, project, loaded, latest + 1)
    await connection.execute(update(workflow).where(*_is(project, name)).values(latest_version=latest + 1))
    await replace_triggers(connection, project, loaded.definition, latest + 1)
    return latest + 1, True


async def _add_version(
    connection: AsyncConnection, project: str, loaded: LoadedDefinition, version: int
) -> None:
    await connection.execute(
        insert(workflow_version).values(
            project=project,
            name=loaded.definition.name,
            version=version,
            digest=loaded.digest,
            source=msgspec.json.encode(loaded.document),  # `canonical` has lost the order of nodes
        )
    )


async def _digest(connection: AsyncConnection, project: str, name: str, version: int) -> str:
    table = workflow_version.c
    of_version = select(table.digest).where(
        table.project == project, table.name == name, table.version == version
    )
    digest: str = (await connection.execute(of_version)).scalar_one()
    return digest


def _is(project: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return workflow.c.project == project, workflow.c.name == name


def _version_of(row: Row[Any], latest: _Latest) -> VersionSummary:
    return VersionSummary(
        version=row.version,
        latest=row.version == latest.version,
        active=latest.active,
        description=decoded_text(row.description),
        digest=row.digest,
        created_at=row.created_at,
        runs_open=row.runs_open or 0,
    )


def _changes(old: bytes, new: bytes) -> tuple[Change, ...]:
    return tuple(diff(msgspec.json.decode(old), msgspec.json.decode(new)))
