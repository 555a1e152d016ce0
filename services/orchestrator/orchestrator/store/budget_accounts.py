"""Accounts of budgets: who a call is charged to, locked in the order of their keys, and what changes on them."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from orchestrator.domain.budget import Account, AccountName, Level
from penstock.contracts.budget import Allowance, OnSpent
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

DAYS_KEPT = 400  # a year and a bit, to compare months
LEVELS_MAX = 1_000  # forks of forks of sub-workflows: a chain that is longer counts only to here

# From a run to the one that it was forked from or that started it as a sub-workflow, and so on.
_FAMILY = """
with recursive up as (
  select id, workflow, workflow_version, project, parent_run, source_run, null::boolean as forked, 1 as place
  from run where id = $1
  union all
  select r.id, r.workflow, r.workflow_version, r.project, r.parent_run, r.source_run, up.parent_run is null,
    up.place + 1
  from up join run r on r.id = coalesce(up.parent_run, up.source_run)
  where up.place < $2
)
select up.id, up.workflow, up.workflow_version, up.forked, w.latest_version
from up join workflow w on w.project = up.project and w.name = up.workflow
order by up.place
"""

_LIMITS = "select period, dollars::float8 as dollars, tokens, on_limit from project_budget where project = $1"

_ADD_MISSING = """
insert into budget_account (project, key, scope, workflow, run_id, day)
select $1, a.key, a.scope, a.workflow, a.run_id, a.day
from unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::date[]) as a (key, scope, workflow, run_id, day)
order by a.key collate "C"
on conflict do nothing
"""

_LOCK = """
select key, tokens_spent, dollars_spent::float8 as dollars_spent, tokens_reserved,
  dollars_reserved::float8 as dollars_reserved, tokens_raised, dollars_raised::float8 as dollars_raised, raises
from budget_account where project = $1 and key = any($2::text[])
order by key for update
"""

_RESERVE = """
update budget_account set
  tokens_reserved = tokens_reserved + $3, dollars_reserved = dollars_reserved + coalesce($4::float8::numeric, 0)
where project = $1 and key = any($2::text[])
"""

_RAISE = """
with raised as (
  update budget_account set
    tokens_raised = tokens_raised + $3, dollars_raised = dollars_raised + $4::float8::numeric, raises = raises + 1
  where project = $1 and key = $2
)
insert into budget_event (project, key, action, by, reason, dollars, tokens)
values ($1, $2, 'raised', $5, $6, $4::float8::numeric, $3)
"""


_FORGET = "delete from budget_account where day < current_date - $1::integer"


class ProjectLimit(Value, frozen=True):
    """`period` is day or total."""

    period: str
    allowance: Allowance
    on_limit: OnSpent


class Raise(Value, frozen=True, kw_only=True):
    """By how much an account's limit grows, by whom and why."""

    key: str
    dollars: float = 0.0
    tokens: int = 0
    by: str
    reason: str = ""


@measured
async def levels_of(pool: asyncpg.Pool, run: UUID) -> tuple[Level, ...]:
    """The run and those above it, whose sub-workflow it is. A fork stands for the run that it was forked from."""
    levels: list[Level] = []
    for row in await pool.fetch(_FAMILY, run, LEVELS_MAX):
        if row["forked"]:
            known = levels[-1]
            levels[-1] = Level(row["id"], known.workflow, known.version, known.latest)
        else:
            levels.append(Level(row["id"], row["workflow"], row["workflow_version"], row["latest_version"]))
    return tuple(levels)


@measured
async def project_limits(pool: asyncpg.Pool, project: str) -> tuple[ProjectLimit, ...]:
    rows = await pool.fetch(_LIMITS, project)
    return tuple(
        ProjectLimit(row["period"], Allowance(row["dollars"], row["tokens"]), OnSpent(row["on_limit"]))
        for row in rows
    )


@measured
async def add_accounts(pool: asyncpg.Pool, project: str, names: Sequence[AccountName]) -> None:
    """Those that there are already stay as they are."""
    await pool.execute(
        _ADD_MISSING,
        project,
        [name.key for name in names],
        [str(name.scope) for name in names],
        [name.workflow for name in names],
        [name.run for name in names],
        [name.day for name in names],
    )


@measured
async def lock_accounts(
    connection: asyncpg.Connection, project: str, keys: Sequence[str]
) -> dict[str, Account]:
    """Those that there are, held until the transaction ends; always in the order of their keys."""
    rows = await connection.fetch(_LOCK, project, list(keys))
    return {row["key"]: Account(**{name: row[name] for name in Account.__struct_fields__}) for row in rows}


@measured
async def forget_days(pool: asyncpg.Pool) -> None:
    """What was spent on days that nobody looks at any more."""
    await pool.execute(_FORGET, DAYS_KEPT)


@measured
async def reserve(
    connection: asyncpg.Connection, project: str, keys: Sequence[str], *, tokens: int, dollars: float | None
) -> None:
    """On accounts that the transaction has locked."""
    await connection.execute(_RESERVE, project, list(keys), tokens, dollars)


@measured
async def raise_account(connection: asyncpg.Connection, project: str, change: Raise) -> None:
    """On an account that the transaction has locked; written down with who did it."""
    await connection.execute(
        _RAISE, project, change.key, change.tokens, change.dollars, change.by, change.reason
    )
