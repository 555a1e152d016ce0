"""What the `data` of each kind of event holds: the contract with whoever reads `penstock.event.…`.

`DATA` names one class for each kind. Fields may be added, none is renamed or removed. An optional one is absent
when there is nothing to say. The simulation of tests/proof and a test on real servers hold the core to this.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from penstock.contracts.failure import Failure
from penstock.contracts.timeline import Kind


class _Data(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Nothing beyond the fields."""


class ModelUsed(_Data, frozen=True, kw_only=True):
    """The calls of one model. `cost_dollars` is of those whose price is known, `unpriced` counts the others."""

    model: str
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_dollars: float = 0.0
    unpriced: int = 0


class ModelsUsed(_Data, frozen=True, kw_only=True):
    """All models together. No `cost_dollars`: nothing is known of the cost, which is not the same as 0."""

    tokens_in: int
    tokens_out: int
    models: tuple[ModelUsed, ...]
    unpriced: int | UnsetType = UNSET
    cost_dollars: float | UnsetType = UNSET


class _Used(_Data, frozen=True, kw_only=True):
    """What the runner measured and the agent told: known of attempts of agents that ended there."""

    seconds: float | UnsetType = UNSET
    cpu_s: float | UnsetType = UNSET
    memory_bytes: int | UnsetType = UNSET
    tier: str | UnsetType = UNSET  # of the sandbox
    usage: ModelsUsed | UnsetType = UNSET  # language models


class _Outcome(_Used, frozen=True, kw_only=True):
    """How a unit came to its end, besides by an agent: what belongs to its kind of node."""

    run: UUID | UnsetType = UNSET  # a sub-workflow: its run
    by: str | UnsetType = UNSET  # an approval: who answered
    comment: str | UnsetType = UNSET


class Nothing(_Data, frozen=True, kw_only=True):
    """The kind says it all."""


class RunStarted(_Data, frozen=True, kw_only=True):
    workflow: str
    version: int
    by: str | UnsetType = UNSET
    parent_run: UUID | UnsetType = UNSET  # this run is a sub-workflow of that one's node
    parent_node: str | UnsetType = UNSET
    forked_from: UUID | UnsetType = UNSET  # this run goes on from another one's node
    from_node: str | UnsetType = UNSET


class RunSucceeded(_Data, frozen=True, kw_only=True):
    output: msgspec.Raw | UnsetType = (
        UNSET  # what the workflow declares, up to 8 KiB; a longer one stays with the run
    )


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


class RunBudgetExceeded(_Data, frozen=True, kw_only=True):
    """`budget` is the key of the account; `reason` says what is spent and reserved, and what the call may take."""

    budget: str
    node: str
    attempt: int
    on_limit: str  # fail, pause or ask
    reason: str


class RunBudgetRaised(_Data, frozen=True, kw_only=True):
    """By how much."""

    budget: str
    by: str
    reason: str
    dollars: float | UnsetType = UNSET
    tokens: int | UnsetType = UNSET


class NodeReady(_Data, frozen=True, kw_only=True):
    publication: int  # grows each time the same attempt is offered
    paused: Literal[True] | UnsetType = UNSET  # ready, but not offered before the run goes on


class NodeStarted(_Data, frozen=True, kw_only=True):
    """Either of three: an attempt on a runner, a sub-workflow, or the undoing of a sub-workflow's run."""

    runner: str | UnsetType = UNSET
    agent_version: str | UnsetType = UNSET  # as that runner has it
    workflow: str | UnsetType = UNSET
    version: int | UnsetType = UNSET  # 0: the latest
    run: UUID | UnsetType = UNSET


class NodeSucceeded(_Outcome, frozen=True, kw_only=True):
    approved: Literal[True] | UnsetType = UNSET
    timed_out: Literal[True] | UnsetType = UNSET  # it waited in vain, and `on_timeout: continue`
    cached: Literal[True] | UnsetType = UNSET
    from_run: UUID | UnsetType = UNSET  # whose output was in the cache
    items: int | UnsetType = UNSET  # a `foreach`: how many there were, and how many of them failed
    failed: int | UnsetType = UNSET


class NodeRepeated(NodeSucceeded, frozen=True, kw_only=True):
    iteration: int  # the one that ended


class NodeFailed(_Outcome, frozen=True, kw_only=True):
    failure: Failure
    approved: Literal[True] | UnsetType = UNSET
    cached: Literal[True] | UnsetType = UNSET
    from_run: UUID | UnsetType = UNSET
    timed_out: Literal[True] | UnsetType = UNSET


class NodeAttemptFailed(_Used, frozen=True, kw_only=True):
    failure: Failure
    retry_in_s: float
    run: UUID | UnsetType = UNSET


class NodeCancelled(_Used, frozen=True, kw_only=True):
    reason: str
    run: UUID | UnsetType = UNSET


class NodeReleased(_Used, frozen=True, kw_only=True):
    """What it used is known if it had begun."""

    runner: str
    question: str | UnsetType = UNSET  # the key of what its agent asks a person


class NodeAnswered(_Data, frozen=True, kw_only=True):
    key: str  # of the agent's question
    by: str
    approved: bool
    comment: str


class NodeSuspended(_Data, frozen=True, kw_only=True):
    """`code`: approval, question (an agent's), moment, event, cache, or why a claim is held back (`breaker_open` …)."""

    code: str
    message: str | UnsetType = UNSET  # approval, question
    assignees: tuple[str, ...] | UnsetType = UNSET
    until: datetime | UnsetType = UNSET  # moment: either of two
    seconds: float | UnsetType = UNSET
    type: str | UnsetType = UNSET  # event
    key: str | UnsetType = UNSET  # cache, breaker, question
    reason: str | UnsetType = UNSET


class NodeExpanded(_Data, frozen=True, kw_only=True):
    items: int


class OfRun(_Data, frozen=True, kw_only=True):
    run: UUID


class NodeCompensationFailed(_Data, frozen=True, kw_only=True):
    failure: Failure | None  # null: it was cancelled


DATA: Mapping[Kind, type[msgspec.Struct]] = {
    Kind.RUN_STARTED: RunStarted,
    Kind.RUN_SUCCEEDED: RunSucceeded,
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
    Kind.RUN_BUDGET_EXCEEDED: RunBudgetExceeded,
    Kind.RUN_BUDGET_RAISED: RunBudgetRaised,
    Kind.NODE_READY: NodeReady,
    Kind.NODE_STARTED: NodeStarted,
    Kind.NODE_SUCCEEDED: NodeSucceeded,
    Kind.NODE_ATTEMPT_FAILED: NodeAttemptFailed,
    Kind.NODE_FAILED: NodeFailed,
    Kind.NODE_SKIPPED: Reason,
    Kind.NODE_CANCELLED: NodeCancelled,
    Kind.NODE_RELEASED: NodeReleased,
    Kind.NODE_ANSWERED: NodeAnswered,
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
