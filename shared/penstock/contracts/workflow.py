"""A workflow definition, as values: what an author wrote, checked and with defaults filled in (design §3)."""

from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from penstock.contracts.budget import BudgetDefinition
from penstock.contracts.failure import RETRYABLE, ErrorClass
from penstock.contracts.limits import (
    FOREACH_PARALLEL_DEFAULT,
    LOOK_BACK_DEFAULT,
    NODE_TIMEOUT_DEFAULT,
    RUN_TIMEOUT_DEFAULT,
)
from penstock.contracts.names import POOL_DEFAULT

Json = Any
"""What `json.loads` gives: the one place where `Any` is honest."""


class OnFailure(StrEnum):
    """What a run does when a node has failed for good."""

    STOP = "stop"  # nothing new starts; what runs is waited for; the run fails
    CONTINUE = "continue"  # branches that do not depend on the failed node go on; the run fails at its end
    COMPENSATE = "compensate"  # like stop; then what succeeded is undone, and the run ends compensated
    PAUSE = "pause"  # nothing new starts until a person resumes, retries or cancels


class CompensationPolicy(StrEnum):
    """What undoing does when one of its steps has failed for good (requirement V4)."""

    CONTINUE_ON_ERROR = "continue_on_error"  # undo the rest, then wait for a person
    HALT_ON_ERROR = "halt_on_error"  # wait for a person at once


class OnLimit(StrEnum):
    """What a run does that finds the slots of its concurrency key taken."""

    QUEUE = "queue"
    REJECT = "reject"
    CANCEL_OLDEST = "cancel_oldest"


class OnTimeout(StrEnum):
    """What becomes of a node that waited for an event or a person in vain."""

    FAIL = "fail"
    SKIP = "skip"  # like a false `if`
    CONTINUE = "continue"  # it succeeds; its output says that the time was over


class OnMax(StrEnum):
    """What becomes of a node that was repeated as often as allowed, and `until` is still false."""

    FAIL = "fail"
    SUCCEED = "succeed"


class Overlap(StrEnum):
    """What a schedule's tick does while a run of an earlier tick is still open."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"
    CANCEL_PREVIOUS = "cancel_previous"


class CatchUp(StrEnum):
    """Which of the ticks that were missed during an outage are made up for."""

    NONE = "none"
    ONE = "one"  # the latest
    ALL = "all"  # at most CATCH_UP_TICKS_MAX, the latest ones


class AlertStatus(StrEnum):
    """What an Alertmanager says of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


class RunIf(StrEnum):
    """What a node wants of the nodes that it needs, once all of them have ended."""

    ALL_SUCCEEDED = "all_succeeded"
    ANY_SUCCEEDED = "any_succeeded"
    ALL_DONE = "all_done"


class RetryProfile(msgspec.Struct, frozen=True):
    """How often and how late a failed attempt is repeated. `attempts` counts the first one too."""

    attempts: int
    delay: timedelta
    delay_max: timedelta
    factor: float
    jitter: float  # share of the delay: 0.25 spreads it by ±25 %
    retry_on: frozenset[ErrorClass] = RETRYABLE


def _ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


# Source: requirement V2.
RETRY_PROFILES = {
    "standard": RetryProfile(3, _ms(500), _ms(5_000), 2.0, 0.25),
    "aggressive": RetryProfile(5, _ms(1_000), _ms(10_000), 2.0, 0.25),
    "conservative": RetryProfile(2, _ms(1_000), _ms(3_000), 1.5, 0.0),
    "none": RetryProfile(1, _ms(0), _ms(0), 1.0, 0.0),
}
RETRY_PROFILE_DEFAULT = "standard"


class BreakerPolicy(msgspec.Struct, frozen=True):
    """When a breaker opens: at least `failures` of at least `minimum` outcomes within `window` failed, and they
    are half of them or more. It stays open for `cooldown`, then lets one probe through (requirement V5)."""

    failures: int = 5
    cooldown: timedelta = timedelta(seconds=60)
    minimum: int = 5
    window: timedelta = timedelta(seconds=60)


class Compensation(msgspec.Struct, frozen=True):
    """The agent that undoes what a node did. Its `with` may speak of `input`, `output`, `item` and `index`."""

    agent: str
    pool: str = POOL_DEFAULT
    with_: Json = None  # None: {"input": the node's input, "output": its output}
    timeout: timedelta = NODE_TIMEOUT_DEFAULT
    retry: RetryProfile = RETRY_PROFILES[RETRY_PROFILE_DEFAULT]


class ApprovalDefinition(msgspec.Struct, frozen=True):
    """A question to people. Without `assignees` anybody may answer; without a `timeout` it waits for ever."""

    message: str  # may hold ${{ expressions }}
    assignees: tuple[str, ...] = ()
    timeout: timedelta | None = None
    on_timeout: OnTimeout = OnTimeout.FAIL
    no_self_approval: bool = False  # who started the run may not answer
    form: Json = None  # JSON Schema of the answer's fields


class EventWait(msgspec.Struct, frozen=True):
    """An event from outside. `if_` speaks of `event` besides the run; one that came `look_back` before counts."""

    type: str
    if_: str | None = None  # "${{ … }}", must give a bool
    look_back: timedelta = LOOK_BACK_DEFAULT


class WaitDefinition(msgspec.Struct, frozen=True):
    """Exactly one of `duration`, `until` and `event` is set. `timeout` belongs to `event`."""

    duration: timedelta | str | None = None  # a text holds ${{ expressions }} and gives "90s"
    until: str | None = None  # RFC 3339, or ${{ expressions }} that give it
    event: EventWait | None = None
    timeout: timedelta | None = None
    on_timeout: OnTimeout = OnTimeout.FAIL


class ForeachDefinition(msgspec.Struct, frozen=True):
    """The node once for each item; its output is the list of their outputs, in order.

    `failures_max` is how many items may fail; a share in (0, 1) of all items when `failures_share` is set.
    """

    items: Json  # a list (with ${{ expressions }} in it), or one expression that gives a list
    max_parallel: int = FOREACH_PARALLEL_DEFAULT
    failures_max: int = 0
    failures_share: float | None = None


class RepeatDefinition(msgspec.Struct, frozen=True):
    """The node again until a condition over `output` and `iteration` holds, at most `max_` times in all."""

    until: str  # "${{ … }}", must give a bool
    max_: int
    on_max: OnMax = OnMax.FAIL


class CacheDefinition(msgspec.Struct, frozen=True):
    """A node whose key was computed less than `ttl` ago takes that output (of the same project, agent and node)."""

    key: str  # may hold ${{ expressions }}; one alone may give any JSON
    ttl: timedelta


class NodeKind(StrEnum):
    """The one thing that a node does."""

    AGENT = "agent"
    WORKFLOW = "workflow"
    APPROVAL = "approval"
    WAIT = "wait"


class NodeDefinition(msgspec.Struct, frozen=True):
    """One node: the one thing that it does (see `kind`), what it needs, and what it hands over."""

    name: str
    agent: str | None = None
    pool: str = POOL_DEFAULT
    with_: Json = None  # a JSON value whose strings may hold ${{ expressions }}
    needs: tuple[str, ...] = ()  # as written; edges that expressions imply are found by the graph
    if_: str | None = None  # "${{ … }}", must give a bool
    run_if: RunIf = RunIf.ALL_SUCCEEDED
    timeout: timedelta = (
        NODE_TIMEOUT_DEFAULT  # of an attempt; for a sub-workflow its own, unless written here
    )
    retry: RetryProfile = RETRY_PROFILES[RETRY_PROFILE_DEFAULT]
    workflow: str | None = None
    workflow_version: int | None = None  # None: the latest when the run starts
    approval: ApprovalDefinition | None = None
    wait: WaitDefinition | None = None
    foreach: ForeachDefinition | None = None
    repeat: RepeatDefinition | None = None
    cache: CacheDefinition | None = None
    compensate: Compensation | None = None
    breaker: BreakerPolicy | None = None
    depends_on: tuple[str, ...] = ()  # dependencies of the project, each with a breaker of its own

    @property
    def kind(self) -> NodeKind:
        if self.workflow is not None:
            return NodeKind.WORKFLOW
        if self.approval is not None:
            return NodeKind.APPROVAL
        if self.wait is not None:
            return NodeKind.WAIT
        return NodeKind.AGENT


class Concurrency(msgspec.Struct, frozen=True):
    """At most `limit` runs of the workflow with the same key at once."""

    key: str  # may hold ${{ expressions }} over `inputs`; "" when the author wrote none
    limit: int = 1
    on_limit: OnLimit = OnLimit.QUEUE


class ScheduleTrigger(msgspec.Struct, frozen=True):
    """Starts a run at each tick of `cron`, as the clocks of `timezone` show it."""

    cron: str
    timezone: str = "UTC"
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.NONE
    input: Json = None
    name: str = ""  # tells several schedules of one workflow apart; "" is given its place: "schedule-1"


class EventTrigger(msgspec.Struct, frozen=True):
    """Starts a run for each event of this type for which `if_` holds."""

    type: str
    if_: str | None = None
    input: Json = None  # may hold ${{ expressions }} over `event`


class AlertTrigger(msgspec.Struct, frozen=True):
    """Starts a run when an alert fires (or is resolved) whose labels are among others `match`."""

    match: dict[str, str]
    if_: str | None = None  # "${{ … }}" over `alert`, must give a bool
    status: AlertStatus = AlertStatus.FIRING
    input: Json = None  # may hold ${{ expressions }} over `alert`


Trigger: TypeAlias = ScheduleTrigger | EventTrigger | AlertTrigger


class WorkflowDefinition(msgspec.Struct, frozen=True):
    """A workflow as its author means it. `nodes` keeps the author's order."""

    name: str
    nodes: tuple[NodeDefinition, ...]
    description: str = ""
    inputs: Json = None  # JSON Schema of the run's input, or None for anything
    timeout: timedelta = RUN_TIMEOUT_DEFAULT
    on_failure: OnFailure = OnFailure.STOP
    compensation_policy: CompensationPolicy = CompensationPolicy.CONTINUE_ON_ERROR
    concurrency: Concurrency | None = None
    output: Json = None  # a JSON value whose strings may hold ${{ expressions }}
    triggers: tuple[Trigger, ...] = ()
    budget: BudgetDefinition | None = None
