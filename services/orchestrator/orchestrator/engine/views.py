"""What people read: workflows, runs, nodes, agents and figures, shaped as the API answers them (design §4).

JSON that authors and agents wrote stays raw bytes from the database to the socket.
"""

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from orchestrator.domain.run import Pause, Undo
from orchestrator.engine.attempt_views import Attempt as Attempt
from orchestrator.engine.unit_views import (
    CachedView,
    ChildView,
    CompensationView,
    ItemCounts,
    NodeProgress,
    ParentView,
    WaitingFor,
)
from penstock.contracts.agent import Reuse
from penstock.contracts.errors import Problem
from penstock.contracts.failure import Failure
from penstock.contracts.workflow import Json, NodeKind
from penstock.definition.diff import Change

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items, and the cursor of what follows, or None at the end."""

    items: tuple[T, ...]
    next: str | None = None


class WorkflowPauseView(msgspec.Struct, frozen=True):
    """By whom and why a workflow is paused."""

    by: str
    reason: str
    since: datetime


class WorkflowEventView(msgspec.Struct, frozen=True):
    """What somebody did to a workflow: paused or resumed it."""

    at: datetime
    action: str
    by: str
    reason: str


class WorkflowSummary(msgspec.Struct, frozen=True):
    """One version of a workflow without its definition; `created_at` is the version's, `active` and `paused`
    are the workflow's."""

    project: str
    name: str
    version: int
    active: bool
    description: str
    digest: str
    created_at: datetime
    paused: WorkflowPauseView | None = None


class WorkflowView(WorkflowSummary, frozen=True, kw_only=True):
    """One version with its canonical document, what is doubtful in it, and who has lately paused the workflow."""

    definition: msgspec.Raw
    warnings: tuple[Problem, ...] = ()
    events: tuple[WorkflowEventView, ...] = ()


class VersionSummary(msgspec.Struct, frozen=True):
    """One of a workflow's versions. `latest`: what a run is started with that names none; `active` is the
    workflow's. `runs_open` counts runs of this version that have not ended."""

    version: int
    latest: bool
    active: bool
    description: str
    digest: str
    created_at: datetime
    runs_open: int


class WorkflowDiff(msgspec.Struct, frozen=True):
    """What differs between two versions. `nodes` are those whose own definition does, also new and gone ones."""

    name: str
    from_: int = msgspec.field(name="from")
    to: int
    changes: tuple[Change, ...]
    nodes: tuple[str, ...]


class Progress(msgspec.Struct, frozen=True):
    """How many nodes have ended. `percent` is rounded down: 100 means all. In a run's own view it counts
    the items that have ended of a `foreach` node as their share of that node."""

    total: int
    done: int
    percent: int

    @classmethod
    def of(cls, *, total: int, open_nodes: int, shares: float = 0.0) -> "Progress":
        """`shares`: what has ended of open nodes, one for a whole node."""
        done = total - open_nodes
        percent = int(100 * (done + shares) / total)
        return cls(total=total, done=done, percent=min(percent, 99) if open_nodes else percent)


class RunSummary(msgspec.Struct, frozen=True):
    """A run without what may be large. `seq` numbers the last event of its timeline, `number` the run among
    those of its `subject`. `source_run`: the run that it is a fork of."""

    id: UUID
    project: str
    workflow: str
    version: int
    state: str
    failure: Failure | None
    labels: dict[str, str]
    priority: int
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    deadline_at: datetime | None
    seq: int
    progress: Progress
    started_by: str | None = None
    subject: str | None = None
    number: int | None = None
    parent: ParentView | None = None
    source_run: UUID | None = None
    pause: Pause | None = None
    undo: Undo | None = None


class NodeView(msgspec.Struct, frozen=True):
    """One node of a run. `needs` are all nodes that it waits for, also those that only an expression names.

    `due_at`: backoff, the next attempt; running, the timeout; suspended, when the waiting ends at the latest.
    `output` is None, with its size in `output_bytes`, when it is too large for this view; the node's own
    page has it. `agent` and `pool` are those of nodes that run an agent. `reused_from`: the run that a fork took
    the output over from.
    """

    name: str
    kind: NodeKind
    state: str
    agent: str | None
    pool: str | None
    needs: tuple[str, ...]
    attempt: int = 0
    runner: str | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    output: msgspec.Raw | None = None
    output_bytes: int | None = None
    failure: Failure | None = None
    publication: int = 0
    progress: NodeProgress | None = None
    iteration: int = 1
    items: ItemCounts | None = None
    waiting_for: WaitingFor | None = None
    cached: CachedView | None = None
    reused_from: UUID | None = None
    compensation: CompensationView | None = None


class RunView(RunSummary, frozen=True, kw_only=True):
    """A whole run, with its nodes in the author's order, and the first runs that they have started.

    `trace_id`: where to look for it, if somebody collects its trace.
    """

    input: msgspec.Raw
    output: msgspec.Raw | None
    nodes: tuple[NodeView, ...]
    children: tuple[ChildView, ...] = ()
    trace_id: str | None = None


class NodeDetail(NodeView, frozen=True, kw_only=True):
    """A node with its resolved input, its whole output and its attempts."""

    input: msgspec.Raw | None
    attempts: tuple[Attempt, ...]


class EventView(msgspec.Struct, frozen=True):
    """One fact of a run's timeline."""

    seq: int
    at: datetime
    kind: str
    node: str | None
    attempt: int | None
    data: msgspec.Raw


class EventPage(msgspec.Struct, frozen=True):
    """Events in order. `next` is the `after` that continues; None: the run has ended and all is read."""

    items: tuple[EventView, ...]
    next: int | None


class LogLineView(msgspec.Struct, frozen=True):
    attempt: int
    line: int
    at: datetime
    stream: str
    text: str


class LogPage(msgspec.Struct, frozen=True):
    """Lines of one attempt in order. `next` is the `after` that continues, or None when there is no more."""

    items: tuple[LogLineView, ...]
    next: int | None


class Refusal(msgspec.Struct, frozen=True):
    """Why a runner that is alive cannot run an agent."""

    runner: str
    error: str


class AgentVersion(msgspec.Struct, frozen=True):
    """`runners` are those that can run it; `error` is set when none can.

    `secrets`, `models`, `stores` and `network` are what it may reach. `differs`: runners that are alive offer this
    version with other schemas, which only a version of its own should have.
    """

    version: str
    reuse: Reuse
    input: Json
    output: Json
    error: str | None
    runners: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    pools: tuple[str, ...] = ()  # of these runners
    secrets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    differs: bool = False


class AgentView(msgspec.Struct, frozen=True):
    """`mixed`: a pool has runners with different versions of it; which one an attempt gets is chance."""

    name: str
    description: str
    versions: tuple[AgentVersion, ...]
    mixed: bool = False


class RunnerView(msgspec.Struct, frozen=True):
    """`alive`: it has announced itself within the last 30 s and has not left."""

    id: str
    pool: str
    host: str
    slots: int
    tier: str
    seen_at: datetime
    alive: bool


class AgentsView(msgspec.Struct, frozen=True):
    items: tuple[AgentView, ...]
    runners: tuple[RunnerView, ...]
