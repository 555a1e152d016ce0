"""The facts of a run's timeline: their kinds, and how one looks outside (CloudEvents 1.0 JSON)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class Kind(StrEnum):
    """Every kind of event in a timeline (requirement V9 in Penstock's words)."""

    RUN_STARTED = "run.started"
    RUN_SUCCEEDED = "run.succeeded"
    RUN_FAILED = "run.failed"
    RUN_CANCELLING = "run.cancelling"
    RUN_CANCELLED = "run.cancelled"
    RUN_RETRIED = "run.retried"
    RUN_QUEUED = "run.queued"  # its concurrency key has no free slot
    RUN_DEQUEUED = "run.dequeued"
    RUN_PAUSED = "run.paused"
    RUN_RESUMED = "run.resumed"
    RUN_COMPENSATING = "run.compensating"
    RUN_COMPENSATED = "run.compensated"
    RUN_BUDGET_EXCEEDED = "run.budget_exceeded"  # it had no room for a call of a model
    RUN_BUDGET_RAISED = "run.budget_raised"
    NODE_READY = "node.ready"
    NODE_STARTED = "node.started"
    NODE_SUCCEEDED = "node.succeeded"
    NODE_ATTEMPT_FAILED = "node.attempt_failed"  # and will be tried again
    NODE_FAILED = "node.failed"  # for good
    NODE_SKIPPED = "node.skipped"
    NODE_CANCELLED = "node.cancelled"
    NODE_RELEASED = "node.released"  # given back by a runner: before it began, or to wait
    NODE_ANSWERED = "node.answered"  # a person answered what its agent had asked
    NODE_SUSPENDED = "node.suspended"  # waits without a runner; `code` says for what
    NODE_EXPANDED = "node.expanded"  # a `foreach` has its list
    NODE_REPEATED = "node.repeated"  # an iteration ended well, and another one follows
    NODE_CHILD_STARTED = "node.child_started"  # the run of a sub-workflow
    NODE_REUSED = "node.reused"  # a fork took over its result
    NODE_COMPENSATING = "node.compensating"
    NODE_COMPENSATED = "node.compensated"
    NODE_COMPENSATION_FAILED = "node.compensation_failed"
    NODE_COMPENSATION_SKIPPED = "node.compensation_skipped"  # a person decided so


class TimelineEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact. `seq` counts from 1 in each run without a gap; `data` is a JSON object."""

    run: UUID
    seq: int
    at: datetime
    kind: Kind
    node: str | None = None
    attempt: int | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class CloudEvent(msgspec.Struct, frozen=True):
    """An event as other systems see it. `id` is `<run>/<seq>`, `subject` the node's name."""

    id: str
    source: str  # /projects/<project>/workflows/<workflow>
    type: str  # penstock.<kind>
    time: datetime
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    subject: str | msgspec.UnsetType = msgspec.UNSET
    attempt: int | msgspec.UnsetType = msgspec.UNSET  # an extension attribute
    traceparent: str | msgspec.UnsetType = msgspec.UNSET
