"""What an explanation is made of: what is known of the run, its units and the runners. Further facts go here."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from orchestrator.domain.detail import Child, Detail
from orchestrator.domain.explanation.held import HeldFacts
from orchestrator.domain.node import NodeState
from orchestrator.domain.run import Pause, RunState, Undo
from orchestrator.domain.unit import index_of, is_undo
from penstock.contracts.duration import format_duration
from penstock.contracts.failure import Failure
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json

READ_AS_SECONDS_MAX = 120  # "in 3595.7 s" tells nobody when

Reason: TypeAlias = tuple[str, dict[str, Json]]
"""A sentence, and the same for programs: a `code` with what it speaks of."""


class AgentFacts(Value, frozen=True):
    """An agent as one runner has it; `error`: why it could not be loaded."""

    version: str
    error: str | None = None


class RunnerFacts(Value, frozen=True):
    """A living runner, with its agents by name. `held`: attempts it works on."""

    id: str
    pool: str
    slots: int
    held: int
    agents: Mapping[str, AgentFacts]


class QueueFacts(Value, frozen=True):
    """The concurrency key that a run waits for a slot of, and the first runs that hold one."""

    key: str
    limit: int
    holders: tuple[UUID, ...]


class LimitFacts(Value, frozen=True):
    """How many attempts may run at once. `scope`: project or pool; `holders`: some (run, node) that run now."""

    scope: str
    name: str
    maximum: int
    running: int
    holders: tuple[tuple[UUID, str], ...]


class WorkflowPause(Value, frozen=True):
    """The workflow that is paused."""

    workflow: str
    by: str
    reason: str
    since: datetime


class RunFacts(Value, frozen=True):
    id: UUID
    state: RunState
    failure: Failure | None = None
    cancel_reason: str | None = None
    started_by: str | None = None
    pause: Pause | None = None
    undo: Undo | None = None
    queue: QueueFacts | None = None
    limits: tuple[LimitFacts, ...] = ()  # those that its attempts may count for
    workflow_pause: WorkflowPause | None = None


class NodeFacts(Value, frozen=True):
    """What is known of one unit, its times included. `due_at`: when what it waits for is due, at the latest.

    `open_parts` are its first items that have begun and not ended.
    """

    name: str
    state: NodeState
    agent: str | None
    pool: str | None
    needs: tuple[str, ...]
    attempt: int = 0
    runner: str | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    due_at: datetime | None = None
    publication: int = 0
    failure: Failure | None = None
    held: HeldFacts | None = None  # what refused its claim
    detail: Detail | None = None
    child_state: str | None = None
    max_parallel: int = 0
    open_parts: tuple["NodeFacts", ...] = ()
    undo_failure: Failure | None = None
    undo_skipped: bool = False  # a person decided that it need not be undone

    @property
    def is_part(self) -> bool:
        return is_undo(self.name) or index_of(self.name) is not None

    @property
    def is_child(self) -> bool:
        return isinstance(self.detail, Child)


def when(moment: datetime | None, now: datetime) -> str:
    if moment is None or moment <= now:
        return "now"
    seconds = (moment - now).total_seconds()
    if seconds < READ_AS_SECONDS_MAX:
        return f"in {seconds:.1f} s"
    return f"in {format_duration(timedelta(seconds=round(seconds)))}"


def since(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f" for {max(0.0, (now - moment).total_seconds()):.0f} s"
