"""A run as the core sees it: its nodes and counters. A change makes a new value."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.plan import Plan
from penstock.contracts.failure import Failure
from penstock.contracts.value import Value


class RunState(StrEnum):
    """`running → succeeded | failed | cancelled`, by way of `cancelling` when a person or a deadline asks."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


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


RUN_ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
NODE_ENDED = frozenset({NodeState.SUCCEEDED, NodeState.FAILED, NodeState.SKIPPED, NodeState.CANCELLED})


class Node(Value, frozen=True):
    """One node of a run.

    `attempt` is 0 until the node is first ready, then 1-based. `wake_in` is how long this state may last
    before the clock must look at it again; it counts from the commit that saves it.
    """

    state: NodeState = NodeState.WAITING
    attempt: int = 0
    token: UUID | None = None  # of the runner that holds the lease; only while running
    runner: str | None = None
    unresolved: int = 0  # needs that have not ended yet
    publication: int = 0  # how often the ready message of this attempt was published
    first_attempt: int = 1  # a manual retry starts a new budget of attempts here
    input: bytes | None = None  # JSON, resolved when the node became ready
    output: bytes | None = None  # JSON, once succeeded
    failure: Failure | None = None  # of the last failed attempt
    wake_in: timedelta | None = None


class Run(Value, frozen=True):
    """One execution of one version of a workflow.

    `version` numbers the last event in the timeline. `open_nodes` counts nodes that have not ended,
    `active_nodes` those that are ready, running or in back-off.
    """

    id: UUID
    project: str
    plan: Plan
    state: RunState
    version: int
    nodes: NodeMap[Node]
    input: bytes
    open_nodes: int
    active_nodes: int
    failed_nodes: int
    output: bytes | None = None
    failure: Failure | None = None
    cancel_reason: str | None = None
    traceparent: str | None = None
    labels: Mapping[str, str] = {}
