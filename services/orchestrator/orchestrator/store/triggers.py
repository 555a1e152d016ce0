"""What makes runs of events: which triggers look at them, what each event does, and what became of that.

In the order of life: `triggers_of`, `write_reactions` (once for each event), `take_due`, `note` or `postpone`.
A reaction is written before its run is started, so an orchestrator that dies in between leaves a row that tells.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from orchestrator.domain.triggering import Trigger
from penstock.contracts.inbound import project_and_type_of
from penstock.contracts.value import Value

TAKEN = timedelta(seconds=10)  # longer than a start takes; then another orchestrator tries it
TAKEN_ROWS_MAX = 200

_BY_TYPE = """
select t.project, t.workflow, t.name, t.type, t.match, t.condition, t.input
from unnest($1::text[], $2::text[]) as asked (project, type)
join event_trigger t on t.project = asked.project and t.type = asked.type
order by t.workflow, t.name
"""

# Events are locked in the order of their numbers. Who comes second finds them decided, and writes nothing: an event
# has the reactions of one moment, also when a new version is saved while two orchestrators are offered it.
_WRITE = """
with events as materialized (
  select seq from inbound_event where seq = any($1::bigint[]) and not decided order by seq for update
),
marked as (
  update inbound_event i set decided = true from events e where i.seq = e.seq
)
insert into event_reaction (event_seq, workflow, trigger, outcome, reason, key, input, due_at)
select r.seq, r.workflow, r.trigger, case when r.reason is null then 'due' else 'failed' end, r.reason, r.key,
  r.input::json, case when r.reason is null then now() + $2::interval end
from unnest($1::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
  as r (seq, workflow, trigger, reason, key, input)
join events e on e.seq = r.seq
returning event_seq, workflow, trigger
"""

# Nobody waits for another's rows: skip locked.
_TAKE = """
with taken as (
  select event_seq, workflow, trigger from event_reaction
  where outcome = 'due' and due_at <= now()
  order by due_at limit $1
  for update skip locked
)
update event_reaction r set due_at = now() + $2::interval
from taken t, inbound_event e
where r.event_seq = t.event_seq and r.workflow = t.workflow and r.trigger = t.trigger and e.seq = r.event_seq
returning r.event_seq as seq, e.project, r.workflow, r.trigger, r.key, r.input, e.type, e.source, e.subject,
  e.attributes
"""

_NOTE = """
update event_reaction set outcome = $4, run_id = $5, reason = $6, due_at = null, input = null, at = now()
where event_seq = $1 and workflow = $2 and trigger = $3 and outcome = 'due'
"""

_POSTPONE = """
update event_reaction set due_at = now() + $4::interval, reason = $5, at = now()
where event_seq = $1 and workflow = $2 and trigger = $3 and outcome = 'due'
"""

_TAKEN_BY = """
insert into event_taken (event_seq, run_id, node)
select e.seq, t.run_id, t.node
from unnest($2::text[], $3::text[], $4::uuid[], $5::text[]) as t (source, id, run_id, node)
join inbound_event e on e.project = $1 and e.source = t.source and e.id = t.id
on conflict do nothing
"""


class Reaction(Value, frozen=True):
    """What an event does to a workflow; with a `reason` it does nothing. `input` is JSON."""

    seq: int
    workflow: str
    trigger: str
    key: str = ""
    input: bytes = b"{}"
    reason: str | None = None

    @property
    def place(self) -> tuple[int, str, str]:
        return self.seq, self.workflow, self.trigger


class Due(Value, frozen=True):
    """A run that an event is to start, with what is told of the event. `input` and `attributes` are JSON."""

    seq: int
    project: str
    workflow: str
    trigger: str
    key: str
    input: bytes
    type: str
    source: str
    subject: str | None
    attributes: bytes


class Taker(Value, frozen=True):
    """A node that waited for the event of that source and id, and took it."""

    source: str
    id: str
    run_id: UUID
    node: str


async def triggers_of(pool: asyncpg.Pool, topics: Iterable[str]) -> list[Trigger]:
    """The triggers that look at events of these topics."""
    pairs = [project_and_type_of(topic) for topic in topics]
    rows = await pool.fetch(_BY_TYPE, [project for project, _ in pairs], [type_ for _, type_ in pairs])
    return [Trigger(**dict(row)) for row in rows]


async def write_reactions(
    pool: asyncpg.Pool, reactions: Sequence[Reaction]
) -> frozenset[tuple[int, str, str]]:
    """Those of events that had none yet; returns the places of what was written, which are ours for `TAKEN`."""
    rows = await pool.fetch(
        _WRITE,
        [each.seq for each in reactions],
        TAKEN,
        [each.workflow for each in reactions],
        [each.trigger for each in reactions],
        [each.reason for each in reactions],
        [each.key for each in reactions],
        [None if each.reason is not None else each.input.decode() for each in reactions],
    )
    return frozenset((row["event_seq"], row["workflow"], row["trigger"]) for row in rows)


async def take_due(pool: asyncpg.Pool) -> list[Due]:
    """Runs that nobody has started in time, now ours for `TAKEN`."""
    rows = await pool.fetch(_TAKE, TAKEN_ROWS_MAX, TAKEN)
    return [
        Due(**{**dict(row), "input": row["input"].encode(), "attributes": row["attributes"].encode()})
        for row in rows
    ]


async def note(
    pool: asyncpg.Pool, due: Due, outcome: str, *, run: UUID | None = None, reason: str | None = None
) -> None:
    """What became of it. What is decided already stays as it is."""
    await pool.execute(_NOTE, due.seq, due.workflow, due.trigger, outcome, run, reason)


async def postpone(pool: asyncpg.Pool, due: Due, *, wait: timedelta, reason: str) -> None:
    await pool.execute(_POSTPONE, due.seq, due.workflow, due.trigger, wait, reason)


async def note_taken(pool: asyncpg.Pool, project: str, takers: Sequence[Taker]) -> None:
    """For people: what an event did besides starting runs."""
    await pool.execute(
        _TAKEN_BY,
        project,
        [taker.source for taker in takers],
        [taker.id for taker in takers],
        [taker.run_id for taker in takers],
        [taker.node for taker in takers],
    )
