"""A run as the core sees it: its nodes and counters. A change makes a new value."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from orchestrator.domain.node import NODE_ENDED, Node, NodeState
from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.plan import Plan
from orchestrator.domain.undo_order import UndoOrder
from penstock.contracts.failure import Failure
from penstock.contracts.value import Value

__all__ = [
    "NODE_ENDED",
    "RUN_ENDED",
    "Node",
    "NodeState",
    "Parent",
    "Pause",
    "PauseCause",
    "Run",
    "RunState",
    "Undo",
]

PRIORITY_DEFAULT = 5


class RunState(StrEnum):
    """`queued → running → succeeded | failed | cancelled | compensated`. `paused`: nothing new starts until a
    person says so; `cancelling`: what runs is being stopped; `compensating`: what succeeded is being undone."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPENSATING = "compensating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COMPENSATED = "compensated"


RUN_ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.COMPENSATED})


class Parent(Value, frozen=True):
    """The node that started this run as its sub-workflow. `depth` is 1 for the child of a run without a parent."""

    run: UUID
    node: str
    attempt: int
    depth: int


class PauseCause(StrEnum):
    """Why a run is paused: what a person may do about it depends on it."""

    PERSON = "person"
    WORKFLOW = "workflow"  # all of its workflow is; it goes on when the workflow is resumed
    FAILURE = "failure"  # `on_failure: pause`
    COMPENSATION = "compensation"  # a step of the undoing has failed for good


class Pause(Value, frozen=True):
    cause: PauseCause
    by: str
    reason: str


class Undo(Value, frozen=True):
    """The run is being undone, or was."""

    by: str
    reason: str


class Run(Value, frozen=True):
    """One execution of one version of a workflow.

    `nodes` holds the nodes of the plan and, under names of their own (see unit.py), items and undoings.
    `version` numbers the last event in the timeline. `open_nodes` counts nodes of the plan that have not ended,
    `active_nodes` all units that are ready, running, suspended or in back-off. `failure` is that of the first
    node that failed for good, from that moment on; with `on_failure: stop` it means that nothing new starts.
    A run that is cancelling without a `cancel_reason` has passed its deadline.
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
    priority: int = PRIORITY_DEFAULT
    started_by: str | None = None
    parent: Parent | None = None
    pins: Mapping[str, int] = {}  # sub-workflow → the version that this run uses
    pause: Pause | None = None
    undo: Undo | None = None
    undo_order: UndoOrder | None = None  # while it is being undone
    source: UUID | None = None  # the run that this one is a fork of
    concurrency_key: str | None = None
