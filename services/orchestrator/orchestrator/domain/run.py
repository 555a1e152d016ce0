"""A run as the core sees it: its nodes and counters. A change makes a new value."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from orchestrator.domain.node import NODE_ENDED, Node, NodeState
from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.plan import Plan
from penstock.contracts.failure import Failure
from penstock.contracts.value import Value

__all__ = ["NODE_ENDED", "RUN_ENDED", "Node", "NodeState", "Run", "RunState"]


class RunState(StrEnum):
    """`running → succeeded | failed | cancelled`, by way of `cancelling` when a person or a deadline asks."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUN_ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


class Run(Value, frozen=True):
    """One execution of one version of a workflow.

    `version` numbers the last event in the timeline. `open_nodes` counts nodes that have not ended,
    `active_nodes` those that are ready, running or in back-off. `failure` is that of the first node that
    failed for good, from that moment on; with `on_failure: stop` it means that nothing new starts.
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
