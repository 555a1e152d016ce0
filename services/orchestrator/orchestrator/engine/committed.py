"""What a commit leaves for the relay: a run's new facts, numbered and dated, and the offers to its runners."""

from datetime import datetime

from orchestrator.domain.decision import Command, Fact
from orchestrator.domain.run import Run
from penstock.contracts.timeline import TimelineEvent
from penstock.contracts.value import Value
from penstock.contracts.wire import encode, raw


class Committed(Value, frozen=True):
    """One run after one commit. `events` are consecutive and end at `run.version`.

    `facts` are what the events tell, before their data was encoded; without them if they were read back.
    """

    run: Run
    events: tuple[TimelineEvent, ...]
    commands: tuple[Command, ...]
    facts: tuple[Fact, ...] = ()

    @property
    def reached(self) -> int:
        """The last event that this carries."""
        return self.events[-1].seq


class NumberedFact(Value, frozen=True):
    """A fact with its place in the timeline; its moment comes with the commit."""

    seq: int
    fact: Fact
    data: bytes


def number_facts(run: Run, facts: list[Fact]) -> list[NumberedFact]:
    """`facts`, oldest first, numbered so that the last one is `run.version`."""
    first = run.version - len(facts) + 1
    return [NumberedFact(seq, fact, encode(fact.data)) for seq, fact in enumerate(facts, start=first)]


def dated(run: Run, facts: list[NumberedFact], at: datetime) -> tuple[TimelineEvent, ...]:
    return tuple(
        TimelineEvent(run.id, n.seq, at, n.fact.kind, n.fact.node, n.fact.attempt, raw(n.data)) for n in facts
    )
