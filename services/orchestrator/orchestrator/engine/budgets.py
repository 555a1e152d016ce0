"""What people do with budgets: look at them, set a project's, raise a run's."""

from datetime import date
from uuid import UUID

import asyncpg

from orchestrator.domain.budget import AccountName, Level, Scope
from orchestrator.domain.events import BudgetRaised
from orchestrator.engine.budget_views import BudgetsView, BudgetView
from orchestrator.engine.engine import RunEngine
from orchestrator.store.budget_accounts import add_accounts, levels_of
from orchestrator.store.composed import Database
from orchestrator.store.heads import run_head
from orchestrator.store.project_budgets import delete_project_budget, write_project_budget
from orchestrator.store.read_budgets import read_budgets, read_project_limits
from penstock.contracts.budget import Allowance, BudgetDefinition
from penstock.contracts.errors import Conflict, NotFound


class BudgetControl:
    """`Budgets` over PostgreSQL; what changes a run's budget goes through the engine, for its timeline."""

    def __init__(self, pool: asyncpg.Pool, database: Database, engine: RunEngine) -> None:
        self._pool = pool
        self._database = database
        self._engine = engine

    async def list(
        self, project: str, *, workflow: str | None, run: UUID | None, day: date | None
    ) -> BudgetsView:
        if run is not None:
            account = (await self._levels(project, run))[0].account_run
            run = account
        return await read_budgets(
            self._database, project, self._budget_of, workflow_name=workflow, run_id=run, day=day
        )

    async def of_project(self, project: str) -> BudgetDefinition:
        limits = await read_project_limits(self._database, project)
        if not limits:
            raise NotFound("budget of project", project)
        by_period = {period: allowance for period, allowance, _ in limits}
        return BudgetDefinition(day=by_period.get("day"), total=by_period.get("total"), on_limit=limits[0][2])

    async def set(self, project: str, budget: BudgetDefinition, *, by: str, reason: str) -> None:
        await write_project_budget(self._database, project, budget, by=by, reason=reason)

    async def clear(self, project: str, *, by: str, reason: str) -> None:
        if not await delete_project_budget(self._database, project, by=by, reason=reason):
            raise NotFound("budget of project", project)

    async def raise_run(
        self, project: str, run: UUID, added: Allowance, *, by: str, reason: str
    ) -> BudgetView:
        levels = await self._levels(project, run)
        name = await self._limited(project, levels, added)
        await add_accounts(self._pool, project, [name])
        event = BudgetRaised(name.key, by, reason, added.dollars or 0.0, added.tokens or 0)
        (answer,) = await self._engine.handle([(run, event)])
        if isinstance(answer, Exception):
            raise answer
        shown = await self.list(project, workflow=None, run=name.run, day=None)
        return shown.items[0]

    async def _levels(self, project: str, run: UUID) -> tuple[Level, ...]:
        head = await run_head(self._pool, run)
        if head is None or head.project != project:
            raise NotFound("run", str(run))
        return await levels_of(self._pool, run)

    async def _limited(self, project: str, levels: tuple[Level, ...], added: Allowance) -> AccountName:
        """Of the nearest run whose budget limits what is to be added."""
        wanted = [unit for unit in ("dollars", "tokens") if getattr(added, unit)]
        for level in levels:
            budget = await self._budget_of(project, level.workflow, level.version)
            limit = None if budget is None else budget.run
            if limit is not None and all(getattr(limit, unit) is not None for unit in wanted):
                return AccountName(Scope.RUN, run=level.account_run)
        units = " and ".join(wanted)
        raise Conflict(
            f"neither the run nor one that started it has a budget in {units} (`budget: {{run: …}}`): nothing to raise"
        )

    async def _budget_of(self, project: str, workflow: str, version: int) -> BudgetDefinition | None:
        plan = await self._engine.plans.get(project=project, workflow=workflow, version=version)
        return plan.definition.budget
