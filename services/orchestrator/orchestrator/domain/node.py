"""One unit of a run (a node, an item of one, an undoing): its states, and what is known of it."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from orchestrator.domain.answers import answers_kept
from orchestrator.domain.detail import Detail
from penstock.contracts.failure import Failure
from penstock.contracts.value import Value, replace


class NodeState(StrEnum):
    """`waiting → ready → running → succeeded | failed | skipped | cancelled`; `backoff`: a retry is due;
    `suspended`: waits for a moment, an event, a person or a breaker. What succeeded may be undone:
    `compensating → compensated | compensation_failed`."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    BACKOFF = "backoff"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    COMPENSATION_FAILED = "compensation_failed"


NODE_ACTIVE = frozenset({NodeState.READY, NodeState.RUNNING, NodeState.BACKOFF, NodeState.SUSPENDED})
NODE_UNDO = frozenset({NodeState.COMPENSATING, NodeState.COMPENSATED, NodeState.COMPENSATION_FAILED})
NODE_DONE = NODE_UNDO | {NodeState.SUCCEEDED}  # it succeeded, whatever became of that later
NODE_ENDED = NODE_DONE | {NodeState.FAILED, NodeState.SKIPPED, NodeState.CANCELLED}


class Node(Value, frozen=True):
    """One unit of a run.

    `attempt` is 0 until the unit first begins, then 1-based. `wake_in` is how long this state may last
    before the clock must look at it again, `deadline_in` how long in all; both count from the commit that
    saves them. `wake_until` is a moment that the author named.
    """

    state: NodeState = NodeState.WAITING
    attempt: int = 0
    token: UUID | None = None  # of the runner that holds the lease; only while running
    runner: str | None = None  # who has it, or had it last
    unresolved: int = 0  # needs that have not ended yet; only while waiting
    publication: int = 0  # how often the ready message of this attempt was published
    first_attempt: int = 1  # a manual retry starts a new budget of attempts here
    iteration: int = 1  # of a `repeat`
    input: bytes | None = None  # JSON, resolved when the unit became ready; of `foreach`: the list of items
    output: bytes | None = None  # JSON, once succeeded
    output_run: UUID | None = None  # the run that holds the output for this fork
    previous: bytes | None = None  # JSON, the output of the iteration before
    answers: bytes | None = None  # JSON, what people answered to its agent (answers.py); None: nobody did
    failure: Failure | None = None  # of the last failed attempt; None once succeeded
    detail: Detail | None = None
    completed: int | None = None  # the run's version when it succeeded: undoing goes backwards
    wake_in: timedelta | None = None
    wake_until: datetime | None = None
    deadline_in: timedelta | None = None
    was_reset: bool = False  # waiting again because a person retried the run

    @property
    def has_row(self) -> bool:
        """Whether the store has a row of this unit: it left `waiting` at least once."""
        return self.state is not NodeState.WAITING or self.was_reset


def reset(node: Node) -> Node:
    """The unit waits again, because a person retries the run, with a new budget of attempts.

    Its agent is not asked again for what people have allowed; what they refused, it may ask once more.
    """
    return replace(
        node,
        state=NodeState.WAITING,
        publication=0,
        first_attempt=node.attempt + 1,
        iteration=1,
        previous=None,
        answers=answers_kept(node.answers, first_iteration=node.iteration == 1),
        failure=None,
        detail=None,
        was_reset=True,
    )
