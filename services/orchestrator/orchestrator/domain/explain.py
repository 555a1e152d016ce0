"""Why each unfinished node is not done yet: a sentence for people, a code with its data for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never
from uuid import UUID

from orchestrator.domain.explain_held import HeldFacts, why_held
from orchestrator.domain.explain_ready import RunnerFacts, why_unclaimed
from orchestrator.domain.node import NODE_ENDED, NodeState
from orchestrator.domain.run import RUN_ENDED, RunState
from penstock.contracts.failure import Failure
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json

__all__ = ["Explanation", "NodeExplanation", "NodeFacts", "RunFacts", "RunnerFacts", "explain"]

NAMES_IN_SENTENCE_MAX = 5  # a join may wait for thousands; the reason's data has them all


class RunFacts(Value, frozen=True):
    id: UUID
    state: RunState
    failure: Failure | None = None
    cancel_reason: str | None = None


class NodeFacts(Value, frozen=True):
    """What is known of one node, its times included. `due_at`: of a back-off, when the retry begins;
    `held`: what refused its claim."""

    name: str
    state: NodeState
    agent: str
    pool: str
    needs: tuple[str, ...]
    attempt: int = 0
    runner: str | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    due_at: datetime | None = None
    publication: int = 0
    failure: Failure | None = None
    held: HeldFacts | None = None


class NodeExplanation(Value, frozen=True):
    """`reason` has a `code` and what the code speaks of."""

    node: str
    state: str
    sentence: str
    reason: dict[str, Json]


class Explanation(Value, frozen=True):
    run: UUID
    state: str
    sentence: str
    nodes: tuple[NodeExplanation, ...]


def explain(
    run: RunFacts, *, nodes: Sequence[NodeFacts], runners: Sequence[RunnerFacts], now: datetime
) -> Explanation:
    """Explains the nodes that have not ended. `nodes` are all of the run, `runners` those that live."""
    states = {node.name: node.state for node in nodes}
    return Explanation(
        run=run.id,
        state=run.state.value,
        sentence=_of_run(run, states),
        nodes=tuple(
            _of_node(run, node, states, runners, now) for node in nodes if node.state not in NODE_ENDED
        ),
    )


def _of_run(run: RunFacts, states: Mapping[str, NodeState]) -> str:
    if run.state is RunState.CANCELLED:
        return f"cancelled: {run.cancel_reason}" if run.cancel_reason else "cancelled"
    if run.state in RUN_ENDED:
        return f"{run.state.value}: {run.failure.message}" if run.failure else run.state.value
    counts = Counter(states.values())
    ended = sum(count for state, count in counts.items() if state in NODE_ENDED)
    still = ", ".join(f"{count} {state.value}" for state, count in counts.items() if state not in NODE_ENDED)
    progress = f"{ended} of {len(states)} nodes have ended, {still}"
    if run.state is RunState.CANCELLING:
        why = run.cancel_reason or (run.failure.message if run.failure else "its deadline passed")
        return f"cancelling ({why}), waits for what still runs: {progress}"
    if run.failure is not None:
        return f"will fail, {run.failure.message}: {progress}"
    return f"running: {progress}"


def _of_node(
    run: RunFacts,
    node: NodeFacts,
    states: Mapping[str, NodeState],
    runners: Sequence[RunnerFacts],
    now: datetime,
) -> NodeExplanation:
    match node.state:
        case NodeState.WAITING:
            sentence, reason = _waiting(node, states)
        case NodeState.READY:
            sentence, reason = why_unclaimed(
                agent=node.agent,
                pool=node.pool,
                publication=node.publication,
                ready_at=node.ready_at,
                runners=runners,
            )
        case NodeState.BACKOFF:
            sentence, reason = _backing_off(node, now)
        case NodeState.RUNNING:
            sentence, reason = _running(run, node, runners, now)
        case NodeState.SUSPENDED if node.held is not None:
            sentence, reason = why_held(node.held, now=now)
        case NodeState.SUSPENDED:
            sentence, reason = "waits without a runner", {"code": "suspended"}
        case (
            NodeState.SUCCEEDED
            | NodeState.FAILED
            | NodeState.SKIPPED
            | NodeState.CANCELLED
            | NodeState.COMPENSATING
            | NodeState.COMPENSATED
            | NodeState.COMPENSATION_FAILED
        ):
            raise AssertionError("a node that has ended needs no explanation")
        case _:
            assert_never(node.state)
    return NodeExplanation(node=node.name, state=node.state.value, sentence=sentence, reason=reason)


def _waiting(node: NodeFacts, states: Mapping[str, NodeState]) -> tuple[str, dict[str, Json]]:
    open_needs = [name for name in node.needs if states[name] not in NODE_ENDED]
    named = ", ".join(f"'{name}' ({states[name].value})" for name in open_needs[:NAMES_IN_SENTENCE_MAX])
    more = len(open_needs) - NAMES_IN_SENTENCE_MAX
    sentence = f"waits for {named}" + (f" and {more} more" if more > 0 else "")
    needs = [{"node": name, "state": states[name].value} for name in open_needs]
    return sentence, {"code": "waits_for", "nodes": needs}


def _backing_off(node: NodeFacts, now: datetime) -> tuple[str, dict[str, Json]]:
    why = f": {node.failure.message}" if node.failure else ""
    sentence = f"attempt {node.attempt} failed{why}; the next one begins {_when(node.due_at, now)}"
    reason = {"code": "retry_due", "due_at": node.due_at, "attempt": node.attempt, "failure": node.failure}
    return sentence, reason


def _running(
    run: RunFacts, node: NodeFacts, runners: Sequence[RunnerFacts], now: datetime
) -> tuple[str, dict[str, Json]]:
    data = {"runner": node.runner, "since": node.started_at, "attempt": node.attempt}
    where = f"attempt {node.attempt} on runner '{node.runner}'{_since(node.started_at, now)}"
    if run.state is RunState.CANCELLING:
        return f"is being stopped: {where}", {"code": "stopping", **data}
    if node.runner not in {runner.id for runner in runners}:
        sentence = (
            f"runs as {where}, which is silent; if it died, its lease lapses and the node is tried again"
        )
        return sentence, {"code": "runner_silent", **data}
    return f"runs as {where}", {"code": "running", **data}


def _when(moment: datetime | None, now: datetime) -> str:
    if moment is None or moment <= now:
        return "now"
    return f"in {(moment - now).total_seconds():.1f} s"


def _since(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f" for {max(0.0, (now - moment).total_seconds()):.0f} s"
