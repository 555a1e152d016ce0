"""Reads of budgets: what accounts have spent, beside what limits them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Text, and_, cast, or_, select

from orchestrator.domain.budget import AccountName, Scope
from orchestrator.engine.budget_views import BudgetsView, BudgetView, DollarsView, TokensView
from orchestrator.store.budget_tables import budget_account, project_budget
from orchestrator.store.composed import Database
from orchestrator.store.tables import run, workflow, workflow_version
from penstock.contracts.budget import Allowance, BudgetDefinition, OnSpent
from penstock.telemetry.operations import measured

ROWS_MAX = 1_000  # workflows of one answer, and as many open runs

_NOTHING = Allowance()

_account = budget_account.c


class BudgetOf(Protocol):
    """What a version of a workflow says of its budget."""

    async def __call__(self, project: str, workflow: str, version: int) -> BudgetDefinition | None: ...


@measured
async def read_budgets(
    database: Database,
    project: str,
    budget_of: BudgetOf,
    *,
    workflow_name: str | None,
    run_id: UUID | None,
    day: date | None,
) -> BudgetsView:
    day = day or datetime.now(UTC).date()
    accounts = await _accounts(database, project, workflow_name=workflow_name, run_id=run_id, day=day)
    rows = {row.key: row for row in accounts}
    limits: dict[str, tuple[AccountName, Allowance, OnSpent]] = {}
    if run_id is None:
        for name, allowance, on_limit in await _limits_of_workflows(
            database, project, budget_of, workflow_name, day
        ):
            limits[name.key] = (name, allowance, on_limit)
    if run_id is None and workflow_name is None:
        for period, allowance, on_limit in await read_project_limits(database, project):
            is_daily = period == "day"
            name = AccountName(Scope.PROJECT_DAY, day=day) if is_daily else AccountName(Scope.PROJECT_TOTAL)
            limits[name.key] = (name, allowance, on_limit)
    for row in accounts:
        if row.of_workflow is not None:
            budget = await budget_of(project, row.of_workflow, row.of_version)
            if budget is not None and budget.run is not None:
                limits[row.key] = (_name_of(row), budget.run, budget.on_limit)
    names = {
        **{key: limit[0] for key, limit in limits.items()},
        **{row.key: _name_of(row) for row in accounts},
    }
    views = [_view(name, rows.get(key), limits.get(key)) for key, name in names.items()]
    order = list(Scope)
    return BudgetsView(tuple(sorted(views, key=lambda view: (-order.index(Scope(view.scope)), view.key))))


@measured
async def read_project_limits(database: Database, project: str) -> list[tuple[str, Allowance, OnSpent]]:
    """(day or total, what it allows, what happens at the limit)."""
    limit = project_budget.c
    rows = await database.rows(select(project_budget).where(limit.project == project).order_by(limit.period))
    return [(row.period, Allowance(_float(row.dollars), row.tokens), OnSpent(row.on_limit)) for row in rows]


async def _accounts(
    database: Database, project: str, *, workflow_name: str | None, run_id: UUID | None, day: date
) -> Sequence[Row[Any]]:
    statement = (
        select(
            budget_account,
            run.c.workflow.label("of_workflow"),
            run.c.workflow_version.label("of_version"),
        )
        .outerjoin(run, run.c.id == _account.run_id)
        .where(_account.project == project, _which(workflow_name, run_id, day))
    )
    return await database.rows(statement.order_by(_account.key).limit(2 * ROWS_MAX))


def _which(workflow_name: str | None, run_id: UUID | None, day: date) -> ColumnElement[bool]:
    if run_id is not None:
        return _account.run_id == run_id
    is_open = and_(_account.run_id.is_not(None), run.c.ended_at.is_(None))
    if workflow_name is not None:
        of_workflow = and_(
            _account.workflow == workflow_name, or_(_account.day.is_(None), _account.day == day)
        )
        return or_(of_workflow, and_(is_open, run.c.workflow == workflow_name))
    is_of_day = and_(_account.run_id.is_(None), or_(_account.day.is_(None), _account.day == day))
    return or_(is_of_day, is_open)


async def _limits_of_workflows(
    database: Database, project: str, budget_of: BudgetOf, name: str | None, day: date
) -> list[tuple[AccountName, Allowance, OnSpent]]:
    """Of the latest versions. A text that may say something of a budget is looked at by who can read it."""
    statement = (
        select(workflow.c.name, workflow.c.latest_version)
        .join(
            workflow_version,
            and_(
                workflow_version.c.project == workflow.c.project,
                workflow_version.c.name == workflow.c.name,
                workflow_version.c.version == workflow.c.latest_version,
            ),
        )
        .where(workflow.c.project == project, cast(workflow_version.c.source, Text).contains('"budget"'))
    )
    if name is not None:
        statement = statement.where(workflow.c.name == name)
    found: list[tuple[AccountName, Allowance, OnSpent]] = []
    for row in await database.rows(statement.order_by(workflow.c.name).limit(ROWS_MAX)):
        known = await budget_of(project, row.name, row.latest_version)
        if known is not None and known.day is not None:
            daily = AccountName(Scope.WORKFLOW_DAY, workflow=row.name, day=day)
            found.append((daily, known.day, known.on_limit))
        if known is not None and known.total is not None:
            whole = AccountName(Scope.WORKFLOW_TOTAL, workflow=row.name)
            found.append((whole, known.total, known.on_limit))
    return found


def _name_of(row: Row[Any]) -> AccountName:
    return AccountName(Scope(row.scope), workflow=row.workflow, run=row.run_id, day=row.day)


def _view(
    name: AccountName, row: Row[Any] | None, limit: tuple[AccountName, Allowance, OnSpent] | None
) -> BudgetView:
    allowance = limit[1] if limit else _NOTHING
    return BudgetView(
        key=name.key,
        scope=str(name.scope),
        workflow=name.workflow,
        run=name.run,
        day=name.day,
        on_limit=limit[2] if limit else None,
        dollars=_dollars(allowance.dollars, row),
        tokens=_tokens(allowance.tokens, row),
        unpriced=row.unpriced if row else 0,
    )


def _dollars(limit: float | None, row: Row[Any] | None) -> DollarsView:
    if row is None:
        return DollarsView(limit, 0.0, 0.0, 0.0, limit)
    raised, spent, reserved = (
        float(getattr(row, f"dollars_{what}")) for what in ("raised", "spent", "reserved")
    )
    most = None if limit is None else limit + raised
    left = None if most is None else max(0.0, round(most - spent - reserved, 9))
    return DollarsView(most, raised, spent, reserved, left)


def _tokens(limit: int | None, row: Row[Any] | None) -> TokensView:
    if row is None:
        return TokensView(limit, 0, 0, 0, limit)
    most = None if limit is None else limit + row.tokens_raised
    left = None if most is None else max(0, most - row.tokens_spent - row.tokens_reserved)
    return TokensView(most, row.tokens_raised, row.tokens_spent, row.tokens_reserved, left)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
