"""What can happen to a run: the closed union that `decide` answers. Facts are past, wishes say `Requested`.

Random values come in with the event: `spread` in [-1, 1] places a retry inside its jitter band.
"""

from typing import TypeAlias
from uuid import UUID

from penstock.contracts.failure import Failure
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.usage import Usage
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class Refusal(Value, frozen=True):
    """Why a claim is not granted though the attempt is free. `wait_s`: when to offer it again."""

    code: str
    key: str
    sentence: str
    wait_s: float


class AttemptClaimed(Value, frozen=True):
    """A runner wants the right to this attempt; the answer is whether the decision was timely."""

    node: str
    attempt: int
    token: UUID
    runner: str
    pool: str | None = None  # whose runner asks, as the bus vouches for it; None: not asked over the bus
    refusal: Refusal | None = None  # what the engine found against it: a breaker
    agent_version: str | None = None  # of the agent as the runner has it


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
    """The runner gives the attempt back; the attempt is not spent. `usage`: it had begun, and its run is to pause."""

    node: str
    attempt: int
    token: UUID
    usage: Usage | None = None


class AttemptParked(Value, frozen=True):
    """The agent asks a person, and waits for the answer without a runner; the attempt is not spent."""

    node: str
    attempt: int
    token: UUID
    question: AgentQuestion
    usage: Usage = Usage()


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


class TimerWentOff(Value, frozen=True):
    """What waits without a runner is looked at again. `overdue`: its deadline has passed."""

    node: str
    attempt: int
    overdue: bool


class EventArrived(Value, frozen=True):
    """An event from outside, of the type that the node waits for. `event` is a CloudEvent as a JSON object."""

    node: str
    attempt: int
    event: dict[str, Json]


class Answered(Value, frozen=True):
    """A person answered a question. `fields` fits its form. `question`: the key of the agent's question that is
    meant; None: whatever the node asks."""

    node: str
    approved: bool
    by: str
    comment: str = ""
    fields: dict[str, Json] = {}
    question: str | None = None


class ChildStarted(Value, frozen=True):
    """The sub-workflow's run was committed."""

    node: str
    attempt: int
    run: UUID


class ChildEnded(Value, frozen=True):
    """The sub-workflow's run has ended in `state`; or it could not be started, and `run` is None."""

    node: str
    attempt: int
    run: UUID | None
    state: str
    output: bytes | None = None
    failure: Failure | None = None
    spread: float = 0.0


class CacheAnswered(Value, frozen=True):
    """What the cache knows under this key: the output that `run` put there, or nothing."""

    node: str
    attempt: int
    key: str
    output: bytes | None = None
    run: UUID | None = None


class SlotGranted(Value, frozen=True):
    """The run may begin: it has one of the slots of its concurrency key."""


class CancelRequested(Value, frozen=True):
    by: str
    reason: str
    failure: Failure | None = None  # what the run fails of in the eyes of the node that started it


class PauseRequested(Value, frozen=True):
    """`of_workflow`: not this run alone is paused, but its workflow."""

    by: str
    reason: str = ""
    of_workflow: bool = False


class ResumeRequested(Value, frozen=True):
    """Go on; after a failure: without the node that failed. `of_workflow`: if it is paused with its workflow."""

    by: str
    of_workflow: bool = False


class RetryRequested(Value, frozen=True):
    """Run the failed and cancelled nodes again; succeeded ones keep their results (V11). Undoing: try again."""

    by: str


class SkipRequested(Value, frozen=True):
    """Leave undone what could not be undone: `node`, or all of it."""

    by: str
    node: str | None = None


class CompensateRequested(Value, frozen=True):
    """Undo what an ended run did."""

    by: str
    reason: str


class DeadlinePassed(Value, frozen=True):
    """The whole run took longer than its timeout."""


class BudgetExceeded(Value, frozen=True):
    """A budget had no room for a call of a model that the attempt wanted to make. `account` is its key."""

    node: str
    attempt: int
    account: str
    sentence: str
    on_limit: str


class BudgetRaised(Value, frozen=True):
    """A person raises the limit of the run's budget, by this much. `account` is its key."""

    account: str
    by: str
    reason: str = ""
    dollars: float = 0.0
    tokens: int = 0


NodeEvent: TypeAlias = (
    AttemptClaimed
    | AttemptSucceeded
    | AttemptFailed
    | AttemptReleased
    | AttemptParked
    | LeaseLapsed
    | RetryCameDue
    | ReadyWentUnclaimed
    | TimerWentOff
    | EventArrived
    | Answered
    | ChildStarted
    | ChildEnded
    | CacheAnswered
)

RunWideEvent: TypeAlias = (
    SlotGranted
    | CancelRequested
    | PauseRequested
    | ResumeRequested
    | RetryRequested
    | SkipRequested
    | CompensateRequested
    | DeadlinePassed
    | BudgetExceeded
    | BudgetRaised
)

RunEvent: TypeAlias = NodeEvent | RunWideEvent
RUN_WIDE = (
    SlotGranted,
    CancelRequested,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    SkipRequested,
    CompensateRequested,
    DeadlinePassed,
    BudgetExceeded,
    BudgetRaised,
)
