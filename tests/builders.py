"""Values for tests of the core: definitions in one line, runs in any state, a tiny evaluator of expressions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from orchestrator.domain.decide import begin, decide
from orchestrator.domain.decision import Decision, Outcome
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    CancelRequested,
    LeaseLapsed,
    ReadyWentUnclaimed,
    RetryCameDue,
    RunEvent,
    TimerWentOff,
)
from orchestrator.domain.invariants import check
from orchestrator.domain.node import Node
from orchestrator.domain.plan import Plan, make_plan
from orchestrator.domain.rebuild import catch_up, rebuild, tell_all, units_named
from orchestrator.domain.run import Run
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.template import ExpressionFailed
from penstock.contracts.value import replace
from penstock.contracts.workflow import (
    RETRY_PROFILES,
    Json,
    NodeDefinition,
    OnFailure,
    RetryProfile,
    WorkflowDefinition,
)

RUN_ID = UUID("01890000-0000-7000-8000-000000000001")
BROKEN = Failure(type="Broken", message="it broke", error_class=ErrorClass.VALIDATION)  # not worth a retry
SHAKY = Failure(type="Shaky", message="the line dropped", error_class=ErrorClass.NETWORK)  # worth one
NO_RETRY = RETRY_PROFILES["none"]


def node(name: str, *needs: str, **fields: Any) -> NodeDefinition:
    """A node of agent `worker`, unless it does something else. `with_`, `if_`, `retry` … go in as they are."""
    is_other = any(key in fields for key in ("workflow", "approval", "wait"))
    agent = None if is_other else fields.pop("agent", "worker")
    return NodeDefinition(name=name, agent=agent, needs=needs, **fields)


def workflow(
    *nodes: NodeDefinition,
    on_failure: OnFailure = OnFailure.STOP,
    output: Json = None,
    timeout: timedelta = timedelta(hours=2),
    **fields: Any,
) -> WorkflowDefinition:
    return WorkflowDefinition(
        name="demo", nodes=nodes, on_failure=on_failure, output=output, timeout=timeout, **fields
    )


def plan(*nodes: NodeDefinition, **fields: Any) -> Plan:
    return make_plan(workflow(*nodes, **fields), version=1)


def retrying(attempts: int, **fields: Any) -> RetryProfile:
    """`attempts` in all, half a second apart, without jitter."""
    standard = RETRY_PROFILES["standard"]
    return RetryProfile(
        attempts=attempts,
        delay=fields.get("delay", standard.delay),
        delay_max=fields.get("delay_max", standard.delay_max),
        factor=fields.get("factor", 2.0),
        jitter=fields.get("jitter", 0.0),
    )


def evaluate(source: str, context: Mapping[str, Json]) -> Json:
    """Enough of CEL for tests: paths, `PATH == number`, `true`, `false`, `fail`."""
    source = source.strip()
    if source in ("true", "false"):
        return source == "true"
    if "==" in source:
        left, right = source.split("==")
        return evaluate(left, context) == int(right)
    value: Json = context
    for part in source.replace('["', ".").replace('"]', "").split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ExpressionFailed(source, f"no such key: {part}")
        value = value[part]
    return value


def token(of: str) -> UUID:
    """The same token for the same text."""
    return uuid5(RUN_ID, of)


def rows_of(run: Run) -> dict[str, Node]:
    """What the store keeps: units that left `waiting`, without what follows from the plan or is a timer."""
    derived = {"unresolved": 0, "was_reset": False, "wake_in": None, "wake_until": None, "deadline_in": None}
    return {name: replace(unit, **derived) for name, unit in run.nodes.items() if unit.has_row}


def check_catching_up(before: Run, decision: Decision) -> None:
    """Who knew the run before and reads the units that the new facts name gets the run that all rows make."""
    run, facts = decision.run, decision.facts
    if not facts or not tell_all(run.state, [fact.kind for fact in facts]):
        return
    rows, row = rows_of(run), replace(run, nodes=run.plan.beginning)
    names = units_named(fact.node for fact in facts if fact.node is not None)
    whole = rebuild(row, rows)
    caught_up = catch_up(row, before, {name: rows[name] for name in names if name in rows})
    assert rows_of(caught_up) == rows_of(whole)
    assert all(caught_up.nodes[name].unresolved == node.unresolved for name, node in whole.nodes.items())
    assert replace(caught_up, nodes=whole.nodes) == whole


class Story:
    """A run that is told what happens to it, step by step; remembers every decision."""

    def __init__(self, plan: Plan, *, input: bytes = b"{}", **fields: Any) -> None:
        first = begin(id=RUN_ID, project="default", plan=plan, input=input, evaluate=evaluate, **fields)
        check(first.run)
        self.run: Run = first.run
        self.last: Decision = first
        self.decisions: list[Decision] = [first]

    def tell(self, event: RunEvent) -> Decision:
        before = self.run
        self.last = decide(before, event, evaluate=evaluate)
        self.run = self.last.run
        check(self.run)
        check_catching_up(before, self.last)
        self.decisions.append(self.last)
        return self.last

    def states(self) -> dict[str, str]:
        return {name: node.state.value for name, node in self.run.nodes.items()}

    def kinds(self) -> list[str]:
        """The timeline: `kind` of the run's facts, `kind name` of the nodes'."""
        facts = [fact for decision in self.decisions for fact in decision.facts]
        return [f"{fact.kind} {fact.node}" if fact.node else str(fact.kind) for fact in facts]

    def claim(self, name: str, *, by: str = "r1") -> Decision:
        attempt = self.run.nodes[name].attempt
        return self.tell(
            AttemptClaimed(node=name, attempt=attempt, token=token(f"{by}/{name}/{attempt}"), runner=by)
        )

    def succeed(self, name: str, output: bytes = b"{}") -> Decision:
        """Claims the node first if nobody has."""
        attempt, held = self._held(name)
        return self.tell(AttemptSucceeded(node=name, attempt=attempt, token=held, output=output))

    def fail(self, name: str, failure: Failure = BROKEN, *, spread: float = 0.0) -> Decision:
        attempt, held = self._held(name)
        return self.tell(
            AttemptFailed(node=name, attempt=attempt, token=held, failure=failure, spread=spread)
        )

    def release(self, name: str) -> Decision:
        attempt, held = self._held(name)
        return self.tell(AttemptReleased(node=name, attempt=attempt, token=held))

    def park(self, name: str, key: str = "go", **fields: Any) -> Decision:
        """Its agent asks a person."""
        attempt, held = self._held(name)
        question = AgentQuestion(key, f"{key}?", **fields)
        return self.tell(AttemptParked(node=name, attempt=attempt, token=held, question=question))

    def lapse(self, name: str) -> Decision:
        attempt, held = self._held(name)
        return self.tell(LeaseLapsed(node=name, attempt=attempt, token=held, spread=0.0))

    def due(self, name: str) -> Decision:
        return self.tell(RetryCameDue(node=name, attempt=self.run.nodes[name].attempt))

    def unclaimed(self, name: str) -> Decision:
        current = self.run.nodes[name]
        return self.tell(
            ReadyWentUnclaimed(node=name, attempt=current.attempt, publication=current.publication)
        )

    def wake(self, name: str, *, overdue: bool = False) -> Decision:
        return self.tell(TimerWentOff(name, self.run.nodes[name].attempt, overdue))

    def cancel(self, reason: str = "enough") -> Decision:
        return self.tell(CancelRequested(by="ada", reason=reason))

    def _held(self, name: str) -> tuple[int, UUID]:
        if self.run.nodes[name].token is None:
            assert self.claim(name).outcome is Outcome.APPLIED
        current = self.run.nodes[name]
        assert current.token is not None
        return current.attempt, current.token
