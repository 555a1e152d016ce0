"""One node of a run: its states, and what is known of it."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from penstock.contracts.failure import Failure
from penstock.contracts.value import Value


class NodeState(StrEnum):
    """`waiting → ready → running → succeeded | failed | skipped | cancelled`; `backoff`: a retry is due."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    BACKOFF = "backoff"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


NODE_ACTIVE = frozenset({NodeState.READY, NodeState.RUNNING, NodeState.BACKOFF})
NODE_ENDED = frozenset({NodeState.SUCCEEDED, NodeState.FAILED, NodeState.SKIPPED, NodeState.CANCELLED})


class Node(Value, frozen=True):
    """One node of a run.

    `attempt` is 0 until the node is first ready, then 1-based. `wake_in` is how long this state may last
    before the clock must look at it again; it counts from the commit that saves it.
    """

    state: NodeState = NodeState.WAITING
    attempt: int = 0
    token: UUID | None = None  # of the runner that holds the lease; only while running
    runner: str | None = None  # who has it, or had it last
    unresolved: int = 0  # needs that have not ended yet; only while waiting
    publication: int = 0  # how often the ready message of this attempt was published
    first_attempt: int = 1  # a manual retry starts a new budget of attempts here
    input: bytes | None = None  # JSON, resolved when the node became ready
    output: bytes | None = None  # JSON, once succeeded
    failure: Failure | None = None  # of the last failed attempt; None once succeeded
    wake_in: timedelta | None = None
    was_reset: bool = False  # waiting again because a person retried the run

    @property
    def has_row(self) -> bool:
        """Whether the store has a row of this node: it left `waiting` at least once."""
        return self.state is not NodeState.WAITING or self.was_reset
