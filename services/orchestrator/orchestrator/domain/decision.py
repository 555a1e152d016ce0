"""What `decide` answers: the new run, what to tell the world, and what the timeline remembers."""

from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from orchestrator.domain.run import Parent, Run
from penstock.contracts.failure import Failure
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


class StartChild(Value, frozen=True):
    """Start the sub-workflow of this attempt, or find the run that was started for it before."""

    node: str
    attempt: int
    workflow: str
    version: int
    input: bytes


class CancelChild(Value, frozen=True):
    node: str
    run: UUID
    reason: str
    timed_out: bool = False  # it took longer than its node allows


class CompensateChild(Value, frozen=True):
    """Undo the run that was the sub-workflow of `node`."""

    node: str
    run: UUID
    reason: str


class TellParent(Value, frozen=True):
    """This run was a sub-workflow and has ended."""

    parent: Parent
    state: str
    output: bytes | None
    failure: Failure | None


class LookBack(Value, frozen=True):
    """See whether the event that this node waits for came before."""

    node: str
    attempt: int
    type: str
    look_back_s: float


class AskCache(Value, frozen=True):
    node: str
    attempt: int
    key: str
    agent: str


class KeepOutput(Value, frozen=True):
    """Keep this output under the key for `ttl_s`."""

    node: str
    agent: str
    key: str
    output: bytes
    ttl_s: float


class GrantSlots(Value, frozen=True):
    """A run has ended that held a slot of this key: the next one in its queue may begin."""

    key: str


Effect: TypeAlias = (
    StartChild | CancelChild | CompensateChild | TellParent | GrantSlots | LookBack | AskCache | KeepOutput
)
"""What the engine does after the commit. Each is done again when a timer finds that nothing came of it."""

Command: TypeAlias = PublishReady | StopAttempt | Effect


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
    HELD = "held"  # a claim that must wait: the run changed, but the runner does not have it


class Decision(Value, frozen=True):
    """`changed` names the units that differ between the old run and `run`; `facts` end at `run.version`.
    `reason` says to a person why the event was refused."""

    run: Run
    outcome: Outcome
    commands: tuple[Command, ...] = ()
    facts: tuple[Fact, ...] = ()
    changed: tuple[str, ...] = ()
    reason: str = ""
