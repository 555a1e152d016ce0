"""Judges undoing: only what succeeded, each once, the last first; and nothing is left when it has ended."""

from collections import Counter

from penstock.contracts.workflow import CompensationPolicy, OnFailure, WorkflowDefinition

UNDO = ":undo"


class UndoOracle:
    """`states` are those that the timeline has told so far, of all units."""

    def __init__(self, definition: WorkflowDefinition, states: dict[str, str]) -> None:
        self._definition = definition
        self._nodes = {node.name: node for node in definition.nodes}
        self._states = states
        self._place = 0
        self._succeeded_at: dict[str, int] = {}
        self._undone = Counter[str]()
        self._again: set[str] = set()  # failed steps that a person wants tried again
        self._skipped: set[str] = set()
        self._reused: set[str] = set()
        self.begun = False

    def retried(self, unit: str) -> None:
        assert self._states[unit] == "compensation_failed", f"the undoing of '{unit}' was retried"
        self._again.add(unit)

    def read_run(self, kind: str) -> None:
        self.begun |= kind == "run.compensating"
        if kind == "run.compensated":
            left = self._left() | (self._failed() - self._skipped)
            assert not left, f"undone, but {sorted(left)} are left"
        elif kind in ("run.failed", "run.cancelled"):
            undoes = self._definition.on_failure is OnFailure.COMPENSATE
            assert not undoes or not self._left(), (
                f"{kind}, but {sorted(self._left())} should be undone first"
            )
        elif kind == "run.paused" and self.begun:
            assert self._failed() - self._skipped, "an undoing waits for a person though nothing failed"
            halts = self._definition.compensation_policy is CompensationPolicy.HALT_ON_ERROR
            assert halts or not self._left(), "an undoing gave up though it was to go on"

    def read_node(self, kind: str, name: str) -> None:
        self._place += 1
        if name.endswith(UNDO):
            undone = name.removesuffix(UNDO)
            assert self._states[undone] == "compensating", (
                f"'{name}' works though '{undone}' is not being undone"
            )
            self._undone[undone] += kind == "node.succeeded"
            assert self._undone[undone] <= 1, f"'{undone}' was undone twice"
        elif kind == "node.succeeded":
            self._succeeded_at[name] = self._place
        elif kind == "node.reused":
            self._reused.add(name)
        elif kind == "node.compensating":
            self._judge_order(name)
        elif kind == "node.compensated":
            assert self._undone[name] == 1, f"'{name}' counts as undone though nobody undid it"
        elif kind == "node.compensation_skipped":
            self._skipped.add(name)

    def _judge_order(self, name: str) -> None:
        """Asked after the state became `compensating`."""
        assert name not in self._reused, f"another run did '{name}', and this one undoes it"
        assert name not in self._skipped, f"'{name}' is undone though a person said that it need not be"
        assert self._can_be_undone(name), f"there is no way to undo '{name}'"
        at = self._succeeded_at[name]
        later = [unit for unit in self._left() if self._succeeded_at[unit] > at]
        assert not later, f"'{name}' is undone before {later}, which succeeded later"
        busy = [unit for unit, state in self._states.items() if state == "compensating" and unit != name]
        assert not busy, f"'{name}' is undone while {busy} are"
        self._again.discard(name)

    def _left(self) -> set[str]:
        """What is still to be undone."""
        succeeded = {
            unit for unit, state in self._states.items() if state == "succeeded" and UNDO not in unit
        }
        return {unit for unit in succeeded - self._reused if self._can_be_undone(unit)} | self._again

    def _failed(self) -> set[str]:
        return {unit for unit, state in self._states.items() if state == "compensation_failed"}

    def _can_be_undone(self, unit: str) -> bool:
        node = self._nodes[unit.partition("[")[0]]
        if node.foreach is not None and unit in self._nodes:
            return False
        return node.compensate is not None or node.workflow is not None
