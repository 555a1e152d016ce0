"""Undoing is safe in every state and can end from every state, whoever dies and whatever people want."""

import pytest

from orchestrator.domain import readiness, undo
from orchestrator.domain.draft import Draft
from orchestrator.domain.node import NodeState
from penstock.contracts.value import replace
from penstock.contracts.workflow import CompensationPolicy
from tests.proof.undo_protocol import UndoProtocol

HALT, CONTINUE = CompensationPolicy.HALT_ON_ERROR, CompensationPolicy.CONTINUE_ON_ERROR


@pytest.mark.parametrize("policy", CompensationPolicy)
@pytest.mark.parametrize("chained", [True, False], ids=["chained", "side-by-side"])
def test_undoing_is_safe_in_every_state_and_can_end_from_every_state(
    policy: CompensationPolicy, chained: bool
) -> None:
    report = UndoProtocol(policy, chained=chained).explore()

    assert report.violation is None, "\n".join(report.trace)
    assert report.states > 200, "the model lost most of its states: it proves less than it did"
    assert report.ends > 10


def test_checker_tells_of_an_undoing_in_the_order_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(draft: Draft) -> str | None:
        return next((name for name, unit in draft.units() if undo._is_left(draft, name, unit)), None)

    monkeypatch.setattr(undo, "_last_step", first)

    report = UndoProtocol(HALT, chained=True).explore()

    assert report.violation == "unsafe: 'a' is undone before ['b']"


def test_checker_tells_of_what_is_undone_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def step_ended(draft: Draft, step: str) -> None:
        undo.step_ended(draft, step)
        name = undo.undone_by(step)
        if draft.node(name).state is NodeState.COMPENSATED:
            draft._changes[name] = replace(draft.node(name), state=NodeState.SUCCEEDED)

    monkeypatch.setattr(readiness, "step_ended", step_ended)

    report = UndoProtocol(CONTINUE, chained=True).explore()

    assert report.violation is not None


def test_checker_tells_of_a_missing_sweep() -> None:
    report = UndoProtocol(HALT, chained=True, with_sweep=False).explore()

    assert report.violation == "stuck: no end can be reached any more"
