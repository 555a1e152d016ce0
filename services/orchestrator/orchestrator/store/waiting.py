"""Nodes that wait for an event from outside, found by its topic (`node.topic`, set while they wait)."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

_BY_TOPIC = "select topic, run_id, name, attempt from node where topic = any($1::text[])"

_SINCE = """
select topic, ready_at, now() as now from node
where run_id = $1 and name = $2 and attempt = $3 and topic is not null
"""


class WaitingNode(Value, frozen=True):
    topic: str
    run_id: UUID
    name: str
    attempt: int


class Wait(Value, frozen=True):
    """Since when a node has been waiting; `now` is the database's clock."""

    topic: str
    ready_at: datetime
    now: datetime


@measured
async def nodes_waiting(pool: asyncpg.Pool, topics: Iterable[str]) -> list[WaitingNode]:
    return [WaitingNode(**dict(row)) for row in await pool.fetch(_BY_TOPIC, list(topics))]


@measured
async def wait_of(pool: asyncpg.Pool, run_id: UUID, node: str, *, attempt: int) -> Wait | None:
    """None: it does not wait any more."""
    row = await pool.fetchrow(_SINCE, run_id, node, attempt)
    return None if row is None else Wait(**dict(row))
