"""The budgets of projects as rows: set and cleared by people, written down with who did it."""

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.store.budget_tables import budget_event, project_budget
from orchestrator.store.composed import Database
from penstock.contracts.budget import BudgetDefinition
from penstock.telemetry.operations import measured

PERIODS = ("day", "total")


@measured
async def write_project_budget(
    database: Database, project: str, budget: BudgetDefinition, *, by: str, reason: str
) -> None:
    """In the place of what was set before."""
    async with database.transaction() as connection:
        await connection.execute(delete(project_budget).where(project_budget.c.project == project))
        for period in PERIODS:
            allowance = getattr(budget, period)
            if allowance is None:
                continue
            amounts = {"dollars": allowance.dollars, "tokens": allowance.tokens}
            await connection.execute(
                insert(project_budget).values(
                    project=project, period=period, on_limit=str(budget.on_limit), set_by=by, **amounts
                )
            )
            await _tell(connection, project, f"project/{period}", "set", by, reason, amounts)


@measured
async def delete_project_budget(database: Database, project: str, *, by: str, reason: str) -> bool:
    """False when none was set."""
    async with database.transaction() as connection:
        gone = delete(project_budget).where(project_budget.c.project == project)
        rows = (await connection.execute(gone.returning(project_budget.c.period))).all()
        for row in rows:
            await _tell(connection, project, f"project/{row.period}", "cleared", by, reason, {})
    return bool(rows)


async def _tell(
    connection: AsyncConnection,
    project: str,
    key: str,
    action: str,
    by: str,
    reason: str,
    amounts: dict[str, object],
) -> None:
    row = {"project": project, "key": key, "action": action, "by": by, "reason": reason, **amounts}
    await connection.execute(insert(budget_event).values(**row))
