"""What can happen to a run: the closed union that `decide` answers. Facts are past, wishes say `Requested`.

Random values come in with the event: `spread` in [-1, 1] places a retry inside its jitter band.
"""

from typing import TypeAlias
from uuid import UUID

from penstock.contracts.failure import Failure
from penstock.contracts.usage import Usage
from penstock.contracts.value import Value


class AttemptClaimed(Value, frozen=True):
    """A runner wants the right to this attempt; the answer is whether the decision was timely."""

    node: str
    attempt: int
    token: UUID
    runner: str
    pool: str | None = None  # whose runner asks, as the bus vouches for it; None: not asked over the bus


class AttemptSucceeded(Value, frozen=True):
    """`output` is JSON, within the output limit."""

    node: str
    attempt: int
    token: UUID
    output: bytes
    usage: Usage = Usage()


class AttemptFailed(Value, frozen=True):
    node: str
    attempt: int
    token: UUID
    failure: Failure
    spread: float
    usage: Usage = Usage()


class AttemptReleased(Value, frozen=True):
    """The runner gives the attempt back before it began; the attempt is not spent."""

    node: str
    attempt: int
    token: UUID


class LeaseLapsed(Value, frozen=True):
    """The lease ended and nobody renewed it."""

    node: str
    attempt: int
    token: UUID
    spread: float


class RetryCameDue(Value, frozen=True):
    node: str
    attempt: int  # the attempt that failed


class ReadyWentUnclaimed(Value, frozen=True):
    """A ready message was published and nobody claimed it for too long."""

    node: str
    attempt: int
    publication: int


class CancelRequested(Value, frozen=True):
    by: str
    reason: str


class RetryRequested(Value, frozen=True):
    """Run the failed and cancelled nodes of an ended run again; succeeded ones keep their results (V11)."""

    by: str


class DeadlinePassed(Value, frozen=True):
    """The whole run took longer than its timeout."""


RunEvent: TypeAlias = (
    AttemptClaimed
    | AttemptSucceeded
    | AttemptFailed
    | AttemptReleased
    | LeaseLapsed
    | RetryCameDue
    | ReadyWentUnclaimed
    | CancelRequested
    | RetryRequested
    | DeadlinePassed
)
