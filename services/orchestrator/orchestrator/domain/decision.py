"""What `decide` answers: the new run, what to tell the world, and what the timeline remembers."""

from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from orchestrator.domain.run import Run
from penstock.contracts.timeline import Kind
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class PublishReady(Value, frozen=True):
    """Offer this attempt to the runners of its pool."""

    node: str
    attempt: int
    publication: int


class StopAttempt(Value, frozen=True):
    """Tell the runner that holds this attempt to stop it; a hint, for the renewal says so too."""

    node: str
    attempt: int
    token: UUID
    runner: str


Command: TypeAlias = PublishReady | StopAttempt


class Fact(Value, frozen=True):
    """An event of the timeline before it has its number and its moment. `data` encodes as a JSON object."""

    kind: Kind
    node: str | None = None
    attempt: int | None = None
    data: dict[str, Json] = {}


class Outcome(StrEnum):
    """How an event was taken. Only `applied` changes anything; the others are counted."""

    APPLIED = "applied"
    REPEATED = "repeated"  # it took effect before: the same answer again
    LATE = "late"  # the state it speaks of has passed
    REFUSED = "refused"  # not in a state for it


class Decision(Value, frozen=True):
    """`changed` names the nodes that differ between the old run and `run`; `facts` end at `run.version`."""

    run: Run
    outcome: Outcome
    commands: tuple[Command, ...] = ()
    facts: tuple[Fact, ...] = ()
    changed: tuple[str, ...] = ()
