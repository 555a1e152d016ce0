"""Judges a timeline on its own terms: it knows the rules, but none of the core's code."""

from collections import Counter
from collections.abc import Mapping, Sequence
from json import loads
from typing import Any

import jsonschema_rs

from orchestrator.bus.event_schemas import schema_of_data
from orchestrator.domain.decision import Fact
from penstock.contracts.timeline import Kind
from penstock.contracts.wire import encode
from penstock.contracts.workflow import OnFailure, RunIf, WorkflowDefinition
from tests.proof.undo_oracle import UNDO, UndoOracle

ENDED = {"succeeded", "failed", "skipped", "cancelled", "compensating", "compensated", "compensation_failed"}
SUCCEEDED = {"succeeded", "compensating", "compensated", "compensation_failed"}
OPEN = {"ready", "running", "backoff", "suspended"}
DATA = {kind: jsonschema_rs.validator_for(schema_of_data(kind), validate_formats=True) for kind in Kind}

# Fact → the states in which it may happen, and the one that it leads to. `released` and `repeated` last only from
# one fact to the next.
STEPS = {
    "node.ready": ({"waiting", "ready", "backoff", "released", "suspended", "repeated"}, "ready"),
    "node.started": ({"waiting", "ready", "backoff", "repeated"}, "running"),
    "node.expanded": ({"waiting"}, "running"),
    "node.suspended": (
        {"suspended", "waiting", "ready", "repeated", "released"},
        "suspended",
    ),  # suspended: after a breaker, or an answer, the cache is asked again
    "node.answered": ({"suspended"}, "suspended"),
    "node.repeated": ({"running", "suspended"}, "repeated"),
    "node.child_started": ({"running"}, "running"),
    "node.succeeded": ({"running", "suspended"}, "succeeded"),
    "node.attempt_failed": ({"running"}, "backoff"),
    "node.failed": ({"waiting", "running", "suspended", "repeated", "backoff"}, "failed"),
    "node.skipped": ({"waiting", "suspended"}, "skipped"),
    "node.cancelled": ({"waiting", "ready", "running", "backoff", "released", "suspended"}, "cancelled"),
    "node.released": ({"running"}, "released"),
    "node.reused": ({"waiting"}, "succeeded"),
    "node.compensating": ({"succeeded", "compensation_failed"}, "compensating"),
    "node.compensated": ({"compensating"}, "compensated"),
    "node.compensation_failed": ({"compensating"}, "compensation_failed"),
    "node.compensation_skipped": ({"compensation_failed"}, "compensation_failed"),
}
WORTH_A_RETRY = {"Shaky", "LeaseLapsed"}
BEGINS = {"node.ready", "node.started", "node.expanded", "node.suspended"}
RUN_STEPS = {
    "run.started": ({"none"}, "running"),
    "run.queued": ({"running"}, "queued"),  # right after it was started or retried
    "run.dequeued": ({"queued"}, "running"),
    "run.paused": ({"running", "compensating"}, "paused"),
    "run.cancelling": ({"queued", "running", "paused"}, "cancelling"),
    "run.compensating": ({"running", "cancelling", "succeeded", "failed", "cancelled"}, "compensating"),
    "run.succeeded": ({"running"}, "succeeded"),
    "run.failed": ({"running", "cancelling"}, "failed"),
    "run.cancelled": ({"cancelling"}, "cancelled"),
    "run.compensated": ({"compensating"}, "compensated"),
}


class Timeline:
    """Reads facts in order and raises AssertionError at the first that cannot be."""

    def __init__(
        self, definition: WorkflowDefinition, needs: dict[str, tuple[str, ...]], *, started_by: str
    ) -> None:
        self._definition = definition
        self._nodes = {node.name: node for node in definition.nodes}
        self._needs = needs
        self._started_by = started_by
        self.states = dict.fromkeys(self._nodes, "waiting")
        self.run_state = "none"
        self.undo = UndoOracle(definition, self.states)
        self._attempt = Counter[str]()
        self._spent = Counter[str]()  # attempts of the present budget
        self._iterations = Counter[str]()
        self._renewed: set[str] = set()  # items of a node that was retried, whose turn comes again
        self._cached: set[str] = set()
        self._asked: dict[str, Mapping[str, Any]] = {}  # what the unit's agent asks, or asked last
        self._answers: set[tuple[str, str]] = (
            set()
        )  # of units: the keys of questions that need not be asked again
        self._lists: list[str] = []  # `foreach` nodes that have succeeded since the last judgement
        self._has_failed = False
        self._pause_cause: str | None = None

    def read(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            DATA[fact.kind].validate(loads(encode(fact.data)))  # it is as docs/asyncapi.yaml says
            assert (fact.node is None) == fact.kind.startswith("run."), fact
            if fact.node is None:
                self._read_run(fact)
            else:
                self._read_node(fact, fact.node)

    def judge_lists(self, nodes: Mapping[str, Any]) -> None:
        """The output of a `foreach` is the list of its items' outputs, in the order of the items."""
        for name in self._lists:
            entries = loads(nodes[name].output)
            for index, entry in enumerate(entries):
                item = f"{name}[{index}]"
                assert (entry is None) == (self.states[item] == "failed"), (
                    f"the list of '{name}' is wrong at {item}"
                )
                unit = item if entry is None else entry.get("unit")
                right = unit == item or item in self._cached
                assert right, f"the list of '{name}' has the output of {unit} at {index}"
        self._lists.clear()

    def _read_run(self, fact: Fact) -> None:
        kind = fact.kind.value
        if kind == "run.retried":
            self._read_retry(fact)
            return
        if kind == "run.resumed":
            assert self.run_state == "paused", f"resumed while {self.run_state}"
            self.run_state = "compensating" if self.undo.begun else "running"
            return
        if kind in ("run.budget_exceeded", "run.budget_raised"):
            return  # whatever budgets do to a run is told by other facts
        allowed, after = RUN_STEPS[kind]
        taken_over = kind == "run.paused" and self._may_be_taken_over(fact)
        assert self.run_state in allowed or taken_over, f"{kind} while {self.run_state}"
        self._pause_cause = fact.data["cause"] if kind == "run.paused" else None
        if kind in ("run.succeeded", "run.failed", "run.cancelled", "run.compensating", "run.compensated"):
            open_units = [name for name, state in self.states.items() if state not in ENDED]
            assert not open_units, f"{kind}, but {open_units} have not ended"
        assert kind != "run.succeeded" or not self._has_failed, "succeeded with a failed node"
        self.undo.read_run(kind)
        self.run_state = after

    def _may_be_taken_over(self, fact: Fact) -> bool:
        """A run that is paused with its workflow gets a cause of its own, which outlives that of the workflow."""
        with_workflow = self.run_state == "paused" and self._pause_cause == "workflow"
        return with_workflow and fact.data["cause"] in ("person", "failure")

    def _read_retry(self, fact: Fact) -> None:
        assert self.run_state in ("failed", "cancelled", "paused"), f"retried while {self.run_state}"
        if self.undo.begun:
            self.run_state = "compensating"
            for name in fact.data["nodes"]:
                self.undo.retried(name)
                self.states[name + UNDO] = "waiting"
                self._spent[name + UNDO] = 0
            return
        self.run_state = "running"
        self._has_failed = False
        for name in fact.data["nodes"]:
            assert self.states[name] in ENDED - SUCCEEDED, f"'{name}' was retried but {self.states[name]}"
            self.states[name] = "waiting"
            self._spent[name] = self._iterations[name] = 0
            items = {unit for unit in self.states if unit.startswith(f"{name}[")}
            self._renewed |= items
            self._forget_answers(name, *items)  # some, and it is not told which
        assert not {"failed", "cancelled"} & {self.states[name] for name in self._nodes}, (
            "the retry forgot a node"
        )

    def _read_node(self, fact: Fact, name: str) -> None:
        kind, state = fact.kind.value, self._state_of(name)
        allowed, after = STEPS[kind]
        assert state in allowed, f"{kind} of '{name}' while {state}"
        undoing = name.endswith(UNDO) or kind.startswith("node.compensat")
        if kind == "node.compensation_skipped":
            assert self.run_state == "paused", f"{kind} of '{name}' while {self.run_state}"
        elif undoing:
            assert self.run_state == "compensating", f"{kind} of '{name}' in a run that {self.run_state}"
        else:
            going_on = ("running", "cancelling", "paused") if kind != "node.reused" else ("running",)
            assert self.run_state in going_on, f"{kind} of '{name}' in a run that {self.run_state}"
        if kind in BEGINS:
            self._read_begin(fact, name, state)
        elif fact.attempt is not None:
            if kind == "node.reused":
                self._attempt[name] = fact.attempt
            assert fact.attempt == self._attempt[name], f"{kind} of '{name}' speaks of another attempt"
        self._count(fact, name)
        self.states[name] = after
        self.undo.read_node(kind, name, cached="cached" in fact.data)

    def _state_of(self, name: str) -> str:
        if name in self._renewed:
            self._renewed.discard(name)
            if self.states[name] != "succeeded":
                self.states[name] = "waiting"
                self._spent[name] = self._iterations[name] = 0
        return self.states.setdefault(name, "waiting")

    def _count(self, fact: Fact, name: str) -> None:
        kind, node = fact.kind.value, self._nodes[_node_of(name)]
        if kind == "node.released" or (kind == "node.suspended" and fact.data["code"] == "breaker"):
            self._spent[name] -= 1
        elif kind == "node.repeated":
            self._forget_answers(name)
            self._iterations[name] += 1
            self._spent[name] = 0
            assert node.repeat is not None, f"'{name}' was repeated for no reason"
            assert self._iterations[name] < node.repeat.max_, f"'{name}' was repeated too often"
        elif kind in ("node.succeeded", "node.failed") and "by" in fact.data:
            self._judge_answer(name, fact.data["by"])
        self._judge_question(kind, name, fact.data)
        if kind == "node.failed" and fact.data["failure"].type in WORTH_A_RETRY and self._may_retry(name):
            spent, most = self._spent[name], self._attempts_max(name)
            assert spent == most, f"'{name}' gave up after {spent} of {most} attempts"
        if fact.data.get("cached"):
            self._cached.add(name)
        if name in self._nodes:
            self._has_failed |= kind == "node.failed"
            if node.foreach is not None and kind == "node.succeeded":
                self._judge_failures(name)

    def _may_retry(self, name: str) -> bool:
        if self.run_state == "cancelling":
            return False
        stops = self._has_failed and self._definition.on_failure in (OnFailure.STOP, OnFailure.COMPENSATE)
        return name.endswith(UNDO) or not stops or self._nodes[_node_of(name)].run_if is RunIf.ALL_DONE

    def _judge_answer(self, name: str, by: str) -> None:
        approval = self._nodes[name].approval
        assert approval is not None, f"'{name}' was answered but asks nothing"
        assert not approval.assignees or by in approval.assignees, (
            f"'{name}' was answered by {by}, who was not asked"
        )
        may = not approval.no_self_approval or by != self._started_by
        assert may, f"'{name}' was answered by {by}, who started the run"

    def _judge_question(self, kind: str, name: str, data: Mapping[str, Any]) -> None:
        """An agent is answered by one of those whom it asks, and asks nothing that was answered."""
        if kind == "node.released" and "question" in data:
            known = (name, data["question"]) in self._answers
            assert not known, f"'{name}' asks '{data['question']}' again, which was answered"
        elif kind == "node.suspended" and data["code"] == "question":
            self._asked[name] = data
        elif kind == "node.answered":
            asked = self._asked[name]
            assert data["key"] == asked["key"], f"'{name}' got an answer to what it does not ask"
            assert not asked["assignees"] or data["by"] in asked["assignees"], (
                f"'{name}' was answered by {data['by']}, who was not asked"
            )
            self._answers.add((name, data["key"]))

    def _forget_answers(self, *units: str) -> None:
        self._answers = {(unit, key) for unit, key in self._answers if unit not in units}

    def _judge_failures(self, name: str) -> None:
        foreach = self._nodes[name].foreach
        assert foreach is not None, "asked of a node with items"
        items = [
            state for unit, state in self.states.items() if unit.startswith(f"{name}[") and UNDO not in unit
        ]
        share = foreach.failures_share
        most = foreach.failures_max if share is None else share * len(items)
        assert items.count("failed") <= most, f"'{name}' succeeded with too many failures"
        assert items.count("succeeded") + items.count("failed") == len(items), f"'{name}' succeeded too early"
        self._lists.append(name)

    def _read_begin(self, fact: Fact, name: str, state: str) -> None:
        """Something of the unit begins: an offer, an attempt, a wait, its items."""
        kind = fact.kind.value
        self._judge_moment(fact, name, state)
        if kind == "node.started" and state == "ready":
            assert fact.attempt == self._attempt[name], f"{kind} of '{name}' speaks of another attempt"
            return
        if kind == "node.ready" and state == "ready":
            assert fact.attempt == self._attempt[name], "a new publication is no new attempt"
            return
        if kind == "node.suspended" and fact.data["code"] in ("cache", "breaker", "question"):
            assert (fact.attempt or 0) == self._attempt[name], f"{kind} of '{name}' is no attempt"
            return
        self._attempt[name] += 1
        self._spent[name] += 1
        assert fact.attempt == self._attempt[name], f"'{name}' skipped a number of its attempts"
        assert self._spent[name] <= self._attempts_max(name), f"'{name}' had more attempts than allowed"

    def _judge_moment(self, fact: Fact, name: str, state: str) -> None:
        kind, node = fact.kind.value, _node_of(name)
        if self.run_state == "paused":
            assert kind != "node.started", f"'{name}' began in a paused run"
            assert kind != "node.ready" or fact.data.get("paused"), f"'{name}' was offered in a paused run"
            assert kind != "node.expanded", f"'{name}' began its items in a paused run"
        else:
            assert self.run_state in ("running", "compensating"), f"'{name}' began while {self.run_state}"
        if name.endswith(UNDO):
            return
        if state == "waiting":
            early = [need for need in self._needs[node] if self.states[need] not in ENDED]
            assert not early or name != node, f"'{name}' began before {early} had ended"
        if self._has_failed and self._definition.on_failure in (OnFailure.STOP, OnFailure.COMPENSATE):
            going_on = state in ("ready", "suspended") or self._nodes[node].run_if is RunIf.ALL_DONE
            assert going_on, f"'{name}' began in a run that stops"
        if name != node:
            self._judge_window(node, name)

    def _judge_window(self, node: str, item: str) -> None:
        assert self.states[node] == "running", f"'{item}' began though '{node}' is {self.states[node]}"
        foreach = self._nodes[node].foreach
        assert foreach is not None, f"'{item}' is no item"
        others = [unit for unit in self.states if unit.startswith(f"{node}[") and unit != item]
        in_work = sum(self.states[unit] in OPEN for unit in others)
        assert in_work < foreach.max_parallel, f"'{node}' has {in_work + 1} items in its window"

    def _attempts_max(self, name: str) -> int:
        node = self._nodes[_node_of(name)]
        if not name.endswith(UNDO):
            return 1 if node.foreach is not None and name in self._nodes else node.retry.attempts
        return 1 if node.compensate is None else node.compensate.retry.attempts


def _node_of(unit: str) -> str:
    return unit.removesuffix(UNDO).partition("[")[0]
