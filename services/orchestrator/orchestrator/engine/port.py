"""What the doors may ask of the engine: protocols and their messages. Composition roots choose who answers.

`Engine` decides and commits · `Queries` reads · `Registry` keeps workflows · `Schedules` keeps what starts them
· `Artifacts` keeps files.
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from orchestrator.domain.decision import Outcome as Outcome
from orchestrator.domain.explanation.explain import Explanation
from orchestrator.domain.fork import ForkPlan
from orchestrator.domain.run import PRIORITY_DEFAULT as PRIORITY_DEFAULT
from orchestrator.domain.run import Parent
from orchestrator.engine.breaker_port import BreakerQueries
from orchestrator.engine.schedule_views import ScheduleSummary, ScheduleView, Upcoming
from orchestrator.engine.statistics_views import Statistics
from orchestrator.engine.unit_views import ItemView
from orchestrator.engine.versions import Versions
from orchestrator.engine.views import (
    AgentsView,
    AgentView,
    EventPage,
    LogPage,
    NodeDetail,
    Page,
    RunSummary,
    RunView,
    WorkflowSummary,
    WorkflowView,
)
from orchestrator.engine.wishes import Answered, RunWish
from penstock.contracts.errors import Conflict, Problem
from penstock.contracts.value import Value
from penstock.contracts.workflow import WorkflowDefinition


class Superseded(Conflict):
    """The workflow has a newer version than the caller took for the latest, or is inactive now."""


class ForkPoint(Value, frozen=True):
    """Go on from this node of that run, and take over what came before."""

    source: UUID
    node: str


class ForkPreview(Value, frozen=True):
    """What a fork would do, without doing it. `version` is that of the new run."""

    version: int
    plan: ForkPlan


class StartRun(Value, frozen=True, kw_only=True):
    """Start a run of `version`, whose `input` (JSON, defaults filled in) fits the workflow's schema.

    `latest`: the caller did not name the version but took the latest that it knew; if that is no longer
    the workflow's latest active version, `start` raises Superseded and the caller looks again.
    `digest` identifies what the client sent (workflow, version, input, labels, priority): the same
    `idempotency_key` with another digest is a Conflict.
    """

    project: str
    workflow: str
    version: int
    latest: bool
    input: bytes
    digest: str
    idempotency_key: str | None = None
    priority: int = PRIORITY_DEFAULT
    labels: dict[str, str] = {}
    by: str = ""
    traceparent: str | None = None
    parent: Parent | None = None  # the node that starts it as its sub-workflow
    fork: ForkPoint | None = None


class Started(Value, frozen=True):
    """`created` is false when the key had started this run before; then only `run_id` counts."""

    run_id: UUID
    created: bool
    state: str = "running"
    seq: int = 1
    number: int | None = None  # of its subject
    nodes_total: int = 0
    nodes_open: int = 0
    created_at: datetime | None = None  # the database's clock; None: the door reads the run
    deadline_at: datetime | None = None


class Engine(Protocol):
    """The only one that changes runs."""

    async def start(self, request: StartRun) -> Started:
        """Raises Conflict (same key, other digest), Superseded, NotFound (no such version), Unavailable."""
        ...

    async def control(self, project: str, run_id: UUID, wish: RunWish) -> Outcome:
        """What a person wants of a whole run. Raises NotFound, and Conflict with the reason of a refusal.

        REPEATED: it was asked before; LATE or REFUSED: the run is not in a state for it.
        """
        ...

    async def answer(self, project: str, run_id: UUID, answer: Answered) -> Outcome:
        """A person's answer to a question, whose fields fit its form. Raises NotFound (run, or node with the
        nearest name), InvalidInput with each field's path, and Conflict. REPEATED: it was answered so before.
        """
        ...

    async def preview_fork(self, project: str, point: ForkPoint, *, version: int | None) -> ForkPreview:
        """Raises NotFound (run, version, node), Conflict (the node never ran)."""
        ...

    async def committed(self, run_id: UUID, *, after: int, timeout_s: float) -> int:
        """Wait until the run's seq is greater than `after`, or it has ended, or time is over.

        Returns the last known seq. A commit between the caller's last read and this call is not missed.
        """
        ...


class RunFilter(Value, frozen=True, kw_only=True):
    """Which runs to list. `labels` must all match; `after_time` is exclusive; `active`: have not ended, or have."""

    workflow: str | None = None
    states: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    parent: UUID | None = None
    after_time: datetime | None = None
    active: bool | None = None


class RunHead(Value, frozen=True):
    """The least that is worth knowing of a run."""

    state: str
    seq: int
    ended: bool
    workflow: str
    workflow_version: int


class Queries(BreakerQueries, Protocol):
    """Reads for people. Every `run_id` is looked up within its project; unknown ones raise NotFound."""

    async def head(self, project: str, run_id: UUID) -> RunHead: ...

    async def run(self, project: str, run_id: UUID) -> RunView: ...

    async def runs(
        self, project: str, which: RunFilter, *, limit: int, cursor: str | None
    ) -> Page[RunSummary]:
        """Newest first."""
        ...

    async def started(self, project: str, idempotency_key: str, digest: str) -> UUID | None:
        """The run that this key started, or None; raises Conflict if its digest was another one."""
        ...

    async def events(self, project: str, run_id: UUID, *, after: int, limit: int) -> EventPage: ...

    async def node(self, project: str, run_id: UUID, node: str) -> NodeDetail: ...

    async def items(
        self,
        project: str,
        run_id: UUID,
        node: str,
        *,
        states: tuple[str, ...],
        limit: int,
        cursor: str | None,
    ) -> Page[ItemView]:
        """Items of a `foreach` node that have begun, in order; without `states` those in any state."""
        ...

    async def logs(
        self, project: str, run_id: UUID, node: str, *, attempt: int | None, after: int | None, limit: int
    ) -> LogPage:
        """Lines of `attempt` (None: the latest with any) beyond number `after` (None: from the first)."""
        ...

    async def explain(self, project: str, run_id: UUID) -> Explanation:
        """Why each node that has not ended is not done yet, by what is committed and who is alive now."""
        ...

    async def agents(self) -> AgentsView: ...

    async def agent(self, name: str) -> AgentView:
        """Raises NotFound with the nearest name."""
        ...

    async def statistics(
        self, project: str, *, workflow: str | None, since: datetime | None
    ) -> Statistics: ...


class Resolved(Protocol):
    """A version of a workflow, compiled and cached. Immutable but for `active`."""

    @property
    def project(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def definition(self) -> WorkflowDefinition: ...

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """All upstream nodes of each node, also those that only an expression names."""
        ...

    def check_input(self, raw: bytes) -> bytes:
        """`raw` (JSON) with the schema's defaults filled in; raises InvalidInput with every problem."""
        ...


class Saved(Value, frozen=True):
    workflow: WorkflowView
    created: bool  # False: unchanged, no new version


class Registry(Versions, Protocol):
    """The workflows of every project."""

    async def save(self, project: str, text: bytes) -> Saved:
        """Raises InvalidInput with all problems at once."""
        ...

    async def check(self, text: bytes) -> tuple[Problem, ...]: ...

    async def resolve(self, project: str, name: str, version: int) -> Resolved:
        """The compiled version, from memory if it can be; raises NotFound with the nearest name."""
        ...

    async def latest(self, project: str, name: str, *, fresh: bool = False) -> Resolved:
        """The latest version to start; raises NotFound, or Conflict when the workflow is not active.

        Answers from memory unless `fresh`; `Engine.start` raises Superseded when memory was old.
        """
        ...

    async def view(self, project: str, name: str, version: int | None) -> WorkflowView:
        """One version, or the latest when `version` is None. Raises NotFound."""
        ...

    async def list(
        self, project: str, *, active: bool | None, limit: int, cursor: str | None
    ) -> Page[WorkflowSummary]:
        """By name."""
        ...

    async def set_active(self, project: str, name: str, active: bool) -> WorkflowView: ...


class WorkflowPauses(Protocol):
    """Workflows that start no attempts for a while. Both are idempotent; raise Unavailable."""

    async def pause(self, project: str, workflow: str, *, by: str, reason: str) -> None: ...

    async def resume(self, project: str, workflow: str, *, by: str, reason: str) -> None: ...


class Schedules(Protocol):
    """The schedules of the latest versions. Unknown ones raise NotFound with the nearest name."""

    async def list(
        self, project: str, *, workflow: str | None, limit: int, cursor: str | None
    ) -> Page[ScheduleSummary]:
        """By workflow and name."""
        ...

    async def view(self, project: str, workflow: str, name: str) -> ScheduleView: ...

    async def set_paused(
        self, project: str, workflow: str, name: str, *, paused: bool, by: str
    ) -> ScheduleView:
        """What came due while it was paused is not made up for."""
        ...

    async def run_now(self, project: str, workflow: str, name: str, *, by: str) -> UUID:
        """A run out of turn, whatever runs already. Raises InvalidInput (the schedule's), Conflict (not active)."""
        ...

    async def upcoming(self, text: bytes) -> tuple[Upcoming, ...]:
        """When the schedules of a valid definition would tick, if it were saved now."""
        ...
