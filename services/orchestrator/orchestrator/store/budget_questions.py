"""What was asked of people about budgets, and that a budget had no room: both told once."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

_EXCEEDED = """
insert into budget_exceeded (run_id, key, raises) values ($1, $2, $3) on conflict do nothing returning 1
"""

_REJECTED = "select by from budget_question where run_id = $1 and key = $2 and not approved limit 1"

_ASKED = "select question, answered_at from budget_question where run_id = $1 and node = $2 and key = $3"

_ASK = """
insert into budget_question (run_id, node, question, key) values ($1, $2, $3, $4) on conflict do nothing
"""

_OF = """
select q.run_id, q.node, q.question, q.key from budget_question q
join unnest($1::uuid[], $2::text[], $3::text[]) as a (run_id, node, question)
  on q.run_id = a.run_id and q.node = a.node and q.question = a.question
where q.answered_at is null
"""

_ANSWER = """
update budget_question set answered_at = now(), approved = $4, by = $5
where run_id = $1 and node = $2 and question = $3
"""

_REJECT = """
insert into budget_event (project, key, action, by, reason) values ($1, $2, 'rejected', $3, $4)
"""


class Asked(Value, frozen=True):
    """A question of a node about the account `key`."""

    run_id: UUID
    node: str
    question: str
    key: str


@measured
async def note_exceeded(pool: asyncpg.Pool, run: UUID, key: str, *, raises: int) -> bool:
    """Whether this is the first time since the budget was raised last."""
    return await pool.fetchval(_EXCEEDED, run, key, raises) is not None


@measured
async def rejected_by(pool: asyncpg.Pool, run: UUID, key: str) -> str | None:
    """Who did not want to raise this budget for the run."""
    by: str | None = await pool.fetchval(_REJECTED, run, key)
    return by


@measured
async def open_question(pool: asyncpg.Pool, run: UUID, node: str, key: str, *, name: str) -> str:
    """The question's key: `name`, and with a number behind it after the first one was answered."""
    rows = await pool.fetch(_ASKED, run, node, key)
    for row in rows:
        if row["answered_at"] is None:
            return str(row["question"])
    question = name if not rows else f"{name}/{len(rows) + 1}"
    await pool.execute(_ASK, run, node, question, key)
    return question


@measured
async def questions_of(connection: asyncpg.Connection, asked: Sequence[tuple[UUID, str, str]]) -> list[Asked]:
    """Those of (run, node, question) that were asked about budgets and are not answered yet."""
    runs, nodes, questions = [list(column) for column in zip(*asked, strict=True)]
    return [Asked(**dict(row)) for row in await connection.fetch(_OF, runs, nodes, questions)]


@measured
async def answer_question(connection: asyncpg.Connection, asked: Asked, *, approved: bool, by: str) -> None:
    await connection.execute(_ANSWER, asked.run_id, asked.node, asked.question, approved, by)


@measured
async def write_rejection(
    connection: asyncpg.Connection, project: str, key: str, *, by: str, reason: str
) -> None:
    await connection.execute(_REJECT, project, key, by, reason)
