"""Judges a timeline on its own terms: it knows the rules, but none of the core's code."""

from collections import Counter
from collections.abc import Sequence

from orchestrator.domain.decision import Fact
from penstock.contracts.workflow import OnFailure, RunIf, WorkflowDefinition

ENDED = {"succeeded", "failed", "skipped", "cancelled"}

# Fact → the states in which it may happen, and the one that it leads to.
STEPS = {
    "node.ready": ({"waiting", "ready", "backoff", "released"}, "ready"),
    "node.started": ({"ready"}, "running"),
    "node.succeeded": ({"running"}, "succeeded"),
    "node.attempt_failed": ({"running"}, "backoff"),
    "node.failed": ({"waiting", "running"}, "failed"),
    "node.skipped": ({"waiting"}, "skipped"),
    "node.cancelled": ({"waiting", "ready", "running", "backoff", "released"}, "cancelled"),
    "node.released": ({"running"}, "released"),
}


class Timeline:
    """Reads facts in order and raises AssertionError at the first that cannot be."""

    def __init__(self, definition: WorkflowDefinition, needs: dict[str, tuple[str, ...]]) -> None:
        self._definition = definition
        self._nodes = {node.name: node for node in definition.nodes}
        self._needs = needs
        self.states = dict.fromkeys(self._nodes, "waiting")
        self.run_state = "none"
        self._attempt = Counter[str]()
        self._spent = Counter[str]()  # attempts of the present budget
        self._has_failed = False

    def read(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if fact.node is None:
                self._read_run(fact)
            else:
                self._read_node(fact, fact.node)

    def _read_run(self, fact: Fact) -> None:
        kind = fact.kind.value
        if kind == "run.started":
            assert self.run_state == "none", "a run started twice"
            self.run_state = "running"
        elif kind == "run.cancelling":
            assert self.run_state == "running", f"{kind} while {self.run_state}"
            self.run_state = "cancelling"
        elif kind == "run.retried":
            self._read_retry(fact)
        else:
            open_nodes = [name for name, state in self.states.items() if state not in ENDED]
            assert not open_nodes, f"{kind}, but {open_nodes} have not ended"
            assert self.run_state in ("running", "cancelling"), f"{kind} while {self.run_state}"
            assert kind != "run.succeeded" or not self._has_failed, "succeeded with a failed node"
            self.run_state = kind.removeprefix("run.")

    def _read_retry(self, fact: Fact) -> None:
        assert self.run_state in ("failed", "cancelled"), f"retried while {self.run_state}"
        self.run_state = "running"
        self._has_failed = False
        for name in fact.data["nodes"]:
            assert self.states[name] in ENDED - {"succeeded"}, f"'{name}' was retried but {self.states[name]}"
            self.states[name] = "waiting"
            self._spent[name] = 0
        assert not {"failed", "cancelled"} & set(self.states.values()), "the retry forgot a node"

    def _read_node(self, fact: Fact, name: str) -> None:
        kind, state = fact.kind.value, self.states[name]
        allowed, after = STEPS[kind]
        assert state in allowed, f"{kind} of '{name}' while {state}"
        assert self.run_state in ("running", "cancelling"), (
            f"{kind} of '{name}' in a run that {self.run_state}"
        )
        if kind == "node.ready":
            self._read_ready(fact, name, state)
        elif fact.attempt is not None:
            assert fact.attempt == self._attempt[name], f"{kind} of '{name}' speaks of another attempt"
        if kind == "node.released":
            self._spent[name] -= 1
        self._has_failed |= kind == "node.failed"
        self.states[name] = after

    def _read_ready(self, fact: Fact, name: str, state: str) -> None:
        assert self.run_state == "running", f"'{name}' became ready while {self.run_state}"
        for need in self._needs[name]:
            assert self.states[need] in ENDED, f"'{name}' began before '{need}' had ended"
        if self._has_failed and self._definition.on_failure is OnFailure.STOP and state != "ready":
            assert self._nodes[name].run_if is RunIf.ALL_DONE, f"'{name}' began in a run that stops"
        if state == "ready":
            assert fact.attempt == self._attempt[name], "a new publication is no new attempt"
            return
        self._attempt[name] += 1
        self._spent[name] += 1
        assert fact.attempt == self._attempt[name], f"'{name}' skipped a number of its attempts"
        assert self._spent[name] <= self._nodes[name].retry.attempts, (
            f"'{name}' had more attempts than allowed"
        )
