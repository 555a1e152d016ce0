"""Why a run and each unfinished unit of it is not done yet: a sentence for people, a code with data for programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never
from uuid import UUID

from orchestrator.domain.detail import Spread
from orchestrator.domain.explanation.facts import (
    AgentFacts,
    LimitFacts,
    NodeFacts,
    QueueFacts,
    Reason,
    RunFacts,
    RunnerFacts,
    since,
    when,
)
from orchestrator.domain.explanation.held import why_held
from orchestrator.domain.explanation.items import why_items_open
from orchestrator.domain.explanation.ready import why_unclaimed
from orchestrator.domain.explanation.run import why_run
from orchestrator.domain.explanation.waits import why_child, why_suspended
from orchestrator.domain.node import NODE_ENDED, NodeState
from orchestrator.domain.run import RunState
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json

__all__ = [
    "AgentFacts",
    "Explanation",
    "LimitFacts",
    "NodeExplanation",
    "NodeFacts",
    "QueueFacts",
    "RunFacts",
    "RunnerFacts",
    "explain",
]

NAMES_IN_SENTENCE_MAX = 5  # a join may wait for thousands; the reason's data has them all


class NodeExplanation(Value, frozen=True):
    """`reason` has a `code` and what the code speaks of. `node` may also be an undoing, such as `charge:undo`."""

    node: str
    state: str
    sentence: str
    reason: dict[str, Json]


class Explanation(Value, frozen=True):
    run: UUID
    state: str
    sentence: str
    nodes: tuple[NodeExplanation, ...]
    reason: dict[str, Json] = {}


class _World(Value, frozen=True):
    """What the explanation of each unit looks at besides the unit."""

    run: RunFacts
    states: dict[str, NodeState]
    runners: Sequence[RunnerFacts]
    moment: datetime


def explain(
    run: RunFacts, *, nodes: Sequence[NodeFacts], runners: Sequence[RunnerFacts], now: datetime
) -> Explanation:
    """Explains what has not ended. `nodes` are all of the plan, and the open undoings; `runners` those that live."""
    states = {node.name: node.state for node in nodes if not node.is_part}
    sentence, reason = why_run(run, states)
    world = _World(run, states, runners, now)
    return Explanation(
        run=run.id,
        state=run.state.value,
        sentence=sentence,
        nodes=tuple(_explained(world, node) for node in nodes if _is_open(run, node)),
        reason=reason,
    )


def _is_open(run: RunFacts, node: NodeFacts) -> bool:
    """What could not be undone has ended, but waits for a person all the same."""
    if node.state is NodeState.COMPENSATION_FAILED:
        return run.state is RunState.PAUSED and not node.undo_skipped
    return node.state not in NODE_ENDED


def _explained(world: _World, node: NodeFacts) -> NodeExplanation:
    sentence, reason = _why(world, node)
    return NodeExplanation(node=node.name, state=node.state.value, sentence=sentence, reason=reason)


def _why(world: _World, node: NodeFacts) -> Reason:
    match node.state:
        case NodeState.WAITING:
            return _waiting(world, node)
        case NodeState.READY if world.run.state is RunState.PAUSED:
            return _begins_later("is ready, and is offered when the run goes on", world.run)
        case NodeState.READY:
            return why_unclaimed(
                agent=node.agent or "",
                pool=node.pool or "",
                publication=node.publication,
                ready_at=node.ready_at,
                runners=world.runners,
                limits=world.run.limits,
            )
        case NodeState.BACKOFF:
            return _backing_off(node, world.moment)
        case NodeState.RUNNING:
            return _running(world, node)
        case NodeState.SUSPENDED if node.held is not None:
            return why_held(node.held, now=world.moment)
        case NodeState.SUSPENDED:
            return why_suspended(node, started_by=world.run.started_by, now=world.moment)
        case NodeState.COMPENSATION_FAILED:
            return _not_undone(node)
        case (
            NodeState.SUCCEEDED
            | NodeState.FAILED
            | NodeState.SKIPPED
            | NodeState.CANCELLED
            | NodeState.COMPENSATING
            | NodeState.COMPENSATED
        ):
            raise AssertionError("a node that has ended needs no explanation")
        case _:
            assert_never(node.state)


def _waiting(world: _World, node: NodeFacts) -> Reason:
    states = world.states
    open_needs = [name for name in node.needs if states[name] not in NODE_ENDED]
    if not open_needs:
        return _begins_later("begins when the run does", world.run)
    named = ", ".join(f"'{name}' ({states[name].value})" for name in open_needs[:NAMES_IN_SENTENCE_MAX])
    more = len(open_needs) - NAMES_IN_SENTENCE_MAX
    sentence = f"waits for {named}" + (f" and {more} more" if more > 0 else "")
    needs = [{"node": name, "state": states[name].value} for name in open_needs]
    return sentence, {"code": "waits_for", "nodes": needs}


def _begins_later(sentence: str, run: RunFacts) -> Reason:
    return sentence, {"code": f"run_{run.state.value}"}


def _backing_off(node: NodeFacts, now: datetime) -> Reason:
    why = f": {node.failure.message}" if node.failure else ""
    sentence = f"attempt {node.attempt} failed{why}; the next one begins {when(node.due_at, now)}"
    reason = {"code": "retry_due", "due_at": node.due_at, "attempt": node.attempt, "failure": node.failure}
    return sentence, reason


def _running(world: _World, node: NodeFacts) -> Reason:
    if isinstance(node.detail, Spread):
        first = _explained(world, node.open_parts[0]) if node.open_parts else None
        return why_items_open(
            node.detail, node, first=None if first is None else (first.node, first.sentence)
        )
    if node.is_child:
        return why_child(node)
    data = {"runner": node.runner, "since": node.started_at, "attempt": node.attempt}
    where = f"attempt {node.attempt} on runner '{node.runner}'{since(node.started_at, world.moment)}"
    if world.run.state is RunState.CANCELLING:
        return f"is being stopped: {where}", {"code": "stopping", **data}
    if node.runner not in {runner.id for runner in world.runners}:
        sentence = (
            f"runs as {where}, which is silent; if it died, its lease lapses and the node is tried again"
        )
        return sentence, {"code": "runner_silent", **data}
    return f"runs as {where}", {"code": "running", **data}


def _not_undone(node: NodeFacts) -> Reason:
    failure = node.undo_failure
    why = f": {failure.message}" if failure else ""
    data = {"failure": failure, "choices": ["retry", "skip"]}
    return f"could not be undone{why}; retry the run, or skip this", {"code": "undo_failed", **data}
