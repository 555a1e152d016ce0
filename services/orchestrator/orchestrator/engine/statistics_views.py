"""Figures about runs and nodes, shaped as the API answers them."""

from datetime import datetime

import msgspec


class Seconds(msgspec.Struct, frozen=True):
    """How long ended ones took; None when there are none."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class Cost(msgspec.Struct, frozen=True):
    """What ended attempts used. `llm_dollars` is what is known of it, `unpriced_calls` the calls of models of which
    it is not; None: nothing is known. `execution_dollars` is None without a price of a minute.
    """

    execution_minutes: float
    execution_dollars: float | None
    tokens_in: int
    tokens_out: int
    llm_dollars: float | None
    unpriced_calls: int


class RunStatistics(msgspec.Struct, frozen=True):
    """`active` have not ended; `states` counts all by their state, without those that none is in.

    `success_rate` and `compensation_rate` are shares of all that have ended, between 0 and 1; None before the
    first end.
    """

    total: int
    active: int
    succeeded: int
    failed: int
    cancelled: int
    compensated: int
    states: dict[str, int]
    success_rate: float | None
    compensation_rate: float | None
    seconds: Seconds
    cost: Cost


class WorkflowStatistics(RunStatistics, frozen=True, kw_only=True):
    name: str


class AgentStatistics(msgspec.Struct, frozen=True):
    """`attempts` are those that have ended on a runner, whatever became of them."""

    name: str
    attempts: int
    cost: Cost


class NodeStatistics(msgspec.Struct, frozen=True):
    """`runs` counts runs in which the node was started; `attempts` those that a runner began, since a person last
    retried the run; `retries` attempts beyond the first. Of a `repeat`, each iteration is an attempt, and retries
    are those of the last one.

    Attempts and retries are also those of its items and of its undoing; `compensations` succeeded and were
    undone, or are being undone. `seconds` is of one success from its last start to its end.
    """

    workflow: str
    node: str
    runs: int
    attempts: int
    retries: int
    failures: int
    compensations: int
    seconds: Seconds


class TrippedBreaker(msgspec.Struct, frozen=True):
    """A breaker that is not closed. `open_until` is when a probe may go; None while open: until a person closes it."""

    key: str
    state: str
    open_until: datetime | None


class Statistics(msgspec.Struct, frozen=True):
    runs: RunStatistics
    workflows: tuple[WorkflowStatistics, ...]
    nodes: tuple[NodeStatistics, ...]
    breakers: tuple[TrippedBreaker, ...] = ()
    agents: tuple[AgentStatistics, ...] = ()
