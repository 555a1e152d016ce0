"""What the `data` of each kind of event holds: the contract with whoever reads `penstock.event.…`.

`DATA` names one class for each kind. Fields may be added, none is renamed or removed. An optional one is absent
when there is nothing to say. The simulation of tests/proof and a test on real servers hold the core to this.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from penstock.contracts.failure import Failure
from penstock.contracts.timeline import Kind


class _Data(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Nothing beyond the fields."""


class _Used(_Data, frozen=True, kw_only=True):
    """What the runner measured: known of attempts of agents that ended there."""

    seconds: float | None = None
    cpu_s: float | None = None
    memory_bytes: int | None = None
    tier: str | None = None  # of the sandbox


class _Outcome(_Used, frozen=True, kw_only=True):
    """How a unit came to its end, besides by an agent: what belongs to its kind of node."""

    run: UUID | None = None  # a sub-workflow: its run
    by: str | None = None  # an approval: who answered
    comment: str | None = None


class Nothing(_Data, frozen=True, kw_only=True):
    """The kind says it all."""


class RunStarted(_Data, frozen=True, kw_only=True):
    workflow: str
    version: int
    by: str | None = None
    parent_run: UUID | None = None  # this run is a sub-workflow of that one's node
    parent_node: str | None = None
    forked_from: UUID | None = None  # this run goes on from another one's node
    from_node: str | None = None


class RunFailed(_Data, frozen=True, kw_only=True):
    failure: Failure


class By(_Data, frozen=True, kw_only=True):
    by: str


class Reason(_Data, frozen=True, kw_only=True):
    reason: str


class ByReason(_Data, frozen=True, kw_only=True):
    by: str  # a person, `deadline`, `on_failure` or `penstock`
    reason: str


class RunRetried(_Data, frozen=True, kw_only=True):
    by: str
    nodes: tuple[str, ...]  # at most 100 names
    nodes_total: int


class RunQueued(_Data, frozen=True, kw_only=True):
    key: str  # of the workflow's `concurrency`


class RunPaused(_Data, frozen=True, kw_only=True):
    cause: str
    by: str
    reason: str


class NodeReady(_Data, frozen=True, kw_only=True):
    publication: int  # grows each time the same attempt is offered
    paused: Literal[True] | None = None  # ready, but not offered before the run goes on


class NodeStarted(_Data, frozen=True, kw_only=True):
    """Either of three: an attempt on a runner, a sub-workflow, or the undoing of a sub-workflow's run."""

    runner: str | None = None
    workflow: str | None = None
    version: int | None = None  # 0: the latest
    run: UUID | None = None


class NodeSucceeded(_Outcome, frozen=True, kw_only=True):
    approved: Literal[True] | None = None
    timed_out: Literal[True] | None = None  # it waited in vain, and `on_timeout: continue`
    cached: Literal[True] | None = None
    from_run: UUID | None = None  # whose output was in the cache
    items: int | None = None  # a `foreach`: how many there were, and how many of them failed
    failed: int | None = None


class NodeRepeated(NodeSucceeded, frozen=True, kw_only=True):
    iteration: int  # the one that ended


class NodeFailed(_Outcome, frozen=True, kw_only=True):
    failure: Failure
    approved: Literal[True] | None = None
    cached: Literal[True] | None = None
    from_run: UUID | None = None
    timed_out: Literal[True] | None = None


class NodeAttemptFailed(_Used, frozen=True, kw_only=True):
    failure: Failure
    retry_in_s: float
    run: UUID | None = None


class NodeReleased(_Data, frozen=True, kw_only=True):
    runner: str


class NodeSuspended(_Data, frozen=True, kw_only=True):
    """`code`: approval, moment, event, cache, or why a claim is held back (`breaker_open` …)."""

    code: str
    message: str | None = None  # approval
    assignees: tuple[str, ...] | None = None
    until: datetime | None = None  # moment: either of two
    seconds: float | None = None
    type: str | None = None  # event
    key: str | None = None  # cache, breaker
    reason: str | None = None


class NodeExpanded(_Data, frozen=True, kw_only=True):
    items: int


class OfRun(_Data, frozen=True, kw_only=True):
    run: UUID


class NodeCompensationFailed(_Data, frozen=True, kw_only=True):
    failure: Failure | None  # null: it was cancelled


DATA: Mapping[Kind, type[msgspec.Struct]] = {
    Kind.RUN_STARTED: RunStarted,
    Kind.RUN_SUCCEEDED: Nothing,
    Kind.RUN_FAILED: RunFailed,
    Kind.RUN_CANCELLING: ByReason,
    Kind.RUN_CANCELLED: Reason,
    Kind.RUN_RETRIED: RunRetried,
    Kind.RUN_QUEUED: RunQueued,
    Kind.RUN_DEQUEUED: Nothing,
    Kind.RUN_PAUSED: RunPaused,
    Kind.RUN_RESUMED: By,
    Kind.RUN_COMPENSATING: ByReason,
    Kind.RUN_COMPENSATED: ByReason,
    Kind.NODE_READY: NodeReady,
    Kind.NODE_STARTED: NodeStarted,
    Kind.NODE_SUCCEEDED: NodeSucceeded,
    Kind.NODE_ATTEMPT_FAILED: NodeAttemptFailed,
    Kind.NODE_FAILED: NodeFailed,
    Kind.NODE_SKIPPED: Reason,
    Kind.NODE_CANCELLED: Reason,
    Kind.NODE_RELEASED: NodeReleased,
    Kind.NODE_SUSPENDED: NodeSuspended,
    Kind.NODE_EXPANDED: NodeExpanded,
    Kind.NODE_REPEATED: NodeRepeated,
    Kind.NODE_CHILD_STARTED: OfRun,
    Kind.NODE_REUSED: OfRun,
    Kind.NODE_COMPENSATING: Nothing,
    Kind.NODE_COMPENSATED: Nothing,
    Kind.NODE_COMPENSATION_FAILED: NodeCompensationFailed,
    Kind.NODE_COMPENSATION_SKIPPED: By,
}
