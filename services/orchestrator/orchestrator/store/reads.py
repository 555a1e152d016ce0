"""The reading side for people: answers `Queries` from the database, workflows from the registry."""

from datetime import datetime
from uuid import UUID

from orchestrator.domain.explanation.explain import Explanation
from orchestrator.domain.unit import is_undo
from orchestrator.engine.breaker_views import BreakerDetail, BreakersView
from orchestrator.engine.port import Registry, RunFilter, RunHead
from orchestrator.engine.statistics_views import Statistics
from orchestrator.engine.unit_views import ItemView
from orchestrator.engine.views import (
    AgentsView,
    AgentView,
    EventPage,
    LogPage,
    NodeDetail,
    Page,
    RunSummary,
    RunView,
)
from orchestrator.store.composed import Database
from orchestrator.store.read_agents import read_agent, read_agents
from orchestrator.store.read_breakers import read_breaker, read_breakers
from orchestrator.store.read_costs import Work
from orchestrator.store.read_explanation import explain_run
from orchestrator.store.read_items import read_items
from orchestrator.store.read_nodes import definition_of, read_node
from orchestrator.store.read_runs import read_head, read_page, read_run_row, read_started, run_view
from orchestrator.store.read_statistics import read_statistics
from orchestrator.store.read_timeline import read_events, read_logs
from penstock.contracts.errors import InvalidInput


class Reads:
    """`Queries` over PostgreSQL."""

    def __init__(self, database: Database, registry: Registry, *, minute_price_dollars: float = 0.0) -> None:
        self._database = database
        self._minute_price_dollars = minute_price_dollars
        self._registry = registry

    async def head(self, project: str, run_id: UUID) -> RunHead:
        return await read_head(self._database, project, run_id)

    async def run(self, project: str, run_id: UUID) -> RunView:
        row = await read_run_row(self._database, project, run_id)
        return run_view(row, await self._registry.resolve(project, row.workflow, row.workflow_version))

    async def runs(
        self, project: str, which: RunFilter, *, limit: int, cursor: str | None
    ) -> Page[RunSummary]:
        return await read_page(self._database, project, which, limit=limit, cursor=cursor)

    async def started(self, project: str, idempotency_key: str, digest: str) -> UUID | None:
        return await read_started(self._database, project, idempotency_key, digest)

    async def events(self, project: str, run_id: UUID, *, after: int, limit: int) -> EventPage:
        head = await self.head(project, run_id)
        return await read_events(self._database, run_id, head, after=after, limit=limit)

    async def node(self, project: str, run_id: UUID, node: str) -> NodeDetail:
        head = await self.head(project, run_id)
        workflow = await self._registry.resolve(project, head.workflow, head.workflow_version)
        return await read_node(self._database, run_id, workflow, node)

    async def items(
        self,
        project: str,
        run_id: UUID,
        node: str,
        *,
        states: tuple[str, ...],
        limit: int,
        cursor: str | None,
    ) -> Page[ItemView]:
        head = await self.head(project, run_id)
        definition = definition_of(
            await self._registry.resolve(project, head.workflow, head.workflow_version), node
        )
        if definition.foreach is None or node != definition.name:
            raise InvalidInput.at("node", f"'{node}' is no node with `foreach`: it has no items")
        return await read_items(self._database, run_id, node, states=states, limit=limit, cursor=cursor)

    async def logs(
        self, project: str, run_id: UUID, node: str, *, attempt: int | None, after: int | None, limit: int
    ) -> LogPage:
        head = await self.head(project, run_id)
        definition_of(await self._registry.resolve(project, head.workflow, head.workflow_version), node)
        return await read_logs(self._database, run_id, node, attempt=attempt, after=after, limit=limit)

    async def explain(self, project: str, run_id: UUID) -> Explanation:
        row = await read_run_row(self._database, project, run_id)
        workflow = await self._registry.resolve(project, row.workflow, row.workflow_version)
        return await explain_run(self._database, row, run_view(row, workflow), workflow)

    async def agents(self) -> AgentsView:
        return await read_agents(self._database)

    async def agent(self, name: str) -> AgentView:
        return await read_agent(self._database, name)

    async def statistics(self, project: str, *, workflow: str | None, since: datetime | None) -> Statistics:
        return await read_statistics(
            self._database,
            project,
            workflow=workflow,
            since=since,
            agent_of=self._agent_of,
            minute_price_dollars=self._minute_price_dollars,
        )

    async def _agent_of(self, project: str, work: Work) -> str:
        workflow = await self._registry.resolve(project, work.workflow, work.version)
        definition = definition_of(workflow, work.unit)
        if not is_undo(work.unit):
            return definition.agent or ""
        return definition.compensate.agent if definition.compensate else ""

    async def breakers(self, project: str, *, state: str | None) -> BreakersView:
        return await read_breakers(self._database, project, state=state)

    async def breaker(self, project: str, key: str) -> BreakerDetail:
        return await read_breaker(self._database, project, key)
