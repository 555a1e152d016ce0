"""What room there is: the slots of living runners, the limits, and the rows that are running under them."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg

from orchestrator.store.runners import RUNNER_ALIVE
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

Scope: TypeAlias = tuple[str, str]  # ("project" or "pool", its name)

_SLOTS = """
select pool, sum(slots)::int as slots from runner
where left_at is null and seen_at > now() - $1::interval
group by pool
"""

_LIMITS = "select scope, name, maximum from execution_limit"

# A live row is what holds a slot. By the partial index of tokens: as many rows as there are attempts now.
_RUNNING = """
select n.run_id, n.name, r.project, w.pool
from node n
join run r on r.id = n.run_id
left join runner w on w.id = n.runner
where n.token is not null and (r.project = any($1::text[]) or w.pool = any($2::text[]))
"""

# Two orchestrators that count at once would both see the last slot free. The locks end with the transaction.
_LOCK = """
select pg_advisory_xact_lock(hashtextextended('penstock limit ' || scope, 0))
from unnest($1::text[]) as a (scope)
"""


class Running(Value, frozen=True):
    """A live row: an attempt that a runner holds."""

    run_id: UUID
    name: str
    project: str
    pool: str | None

    def is_of(self, scope: Scope) -> bool:
        return scope in (("project", self.project), ("pool", self.pool))


@measured
async def living_slots(pool: asyncpg.Pool) -> dict[str, int]:
    """How many attempts each pool's runners can run at once."""
    return {row["pool"]: row["slots"] for row in await pool.fetch(_SLOTS, RUNNER_ALIVE)}


@measured
async def limits_set(pool: asyncpg.Pool) -> dict[Scope, int]:
    return {(row["scope"], row["name"]): row["maximum"] for row in await pool.fetch(_LIMITS)}


@measured
async def running_under(
    connection: asyncpg.Pool | asyncpg.Connection, scopes: Iterable[Scope]
) -> list[Running]:
    """The attempts that count for any of `scopes`."""
    named = list(scopes)
    projects = [name for kind, name in named if kind == "project"]
    pools = [name for kind, name in named if kind == "pool"]
    return [Running(**dict(row)) for row in await connection.fetch(_RUNNING, projects, pools)]


@measured
async def lock_limits(connection: asyncpg.Connection, scopes: Sequence[Scope]) -> None:
    """Let nobody else grant under these limits until the transaction ends. Taken in order, before any row."""
    await connection.execute(_LOCK, sorted(f"{kind} {name}" for kind, name in scopes))
