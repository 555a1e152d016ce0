"""The core broken on purpose, in each thing that the language promises: the simulation must tell. See test_simulation
for the unbroken one."""

from collections.abc import Callable

import pytest

from orchestrator.domain import (
    attempts,
    children,
    decide,
    foreach,
    outcomes,
    readiness,
    timely,
    waking,
)
from orchestrator.domain import undo as undoing
from orchestrator.domain.draft import Draft
from orchestrator.domain.ending import cancel_node
from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded, ChildEnded
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.run import RunState
from orchestrator.domain.timely import Timely
from orchestrator.domain.unit import is_undo
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.value import replace
from tests.proof.simulated_children import SimulatedChildren
from tests.proof.test_simulation import SEEDS_STORMY_FROM, simulate

pytestmark = pytest.mark.long

SEEDS = 400
Break = Callable[[pytest.MonkeyPatch], None]


def undoes_the_first_first(patch: pytest.MonkeyPatch) -> None:
    def first_step(draft: Draft) -> str | None:
        left = [
            (node.completed or 0, name) for name, node in draft.units() if undoing._is_left(draft, name, node)
        ]
        return min(left)[1] if left else None

    patch.setattr(undoing, "_last_step", first_step)


def undoes_in_the_order_of_the_definition(patch: pytest.MonkeyPatch) -> None:
    def some_step(draft: Draft) -> str | None:
        return next((name for name, node in draft.units() if undoing._is_left(draft, name, node)), None)

    patch.setattr(undoing, "_last_step", some_step)


def forgets_one_of_many_steps(patch: pytest.MonkeyPatch) -> None:
    healthy = undoing._last_step

    def last_step(draft: Draft) -> str | None:
        begun = sum(is_undo(name) for name, _ in draft.units())
        return None if begun == 2 else healthy(draft)

    patch.setattr(undoing, "_last_step", last_step)


def undoes_what_was_undone(patch: pytest.MonkeyPatch) -> None:
    """It keeps a step as it was before its undoing."""

    def step_ended(draft: Draft, undo: str) -> None:
        name = undo.removesuffix(":undo")
        if draft.node(undo).state is NodeState.SUCCEEDED and draft.node(undo).attempt == 1:
            draft.put(undo, replace(draft.node(undo), state=NodeState.SUCCEEDED))
            draft._changes[name] = replace(draft.node(name), state=NodeState.SUCCEEDED)
            undoing.next_step(draft)
        else:
            undoing.step_ended(draft, undo)

    patch.setattr(readiness, "step_ended", step_ended)


def begins_to_undo_while_something_runs(patch: pytest.MonkeyPatch) -> None:
    healthy = readiness.settle

    def settle(draft: Draft) -> None:
        healthy(draft)
        if draft.failure is not None and draft.state is RunState.RUNNING and undoing.has_steps(draft):
            undoing.begin_undo(draft, by="on_failure", reason="too early")

    patch.setattr(decide, "settle", settle)


def undoes_what_another_run_did(patch: pytest.MonkeyPatch) -> None:
    healthy = undoing.can_be_undone
    patch.setattr(
        undoing, "can_be_undone", lambda plan, name, node: healthy(plan, name, replace(node, output_run=None))
    )


def goes_on_though_it_was_to_halt(patch: pytest.MonkeyPatch) -> None:
    """With `continue_on_error` it halts instead."""

    def step_ended(draft: Draft, undo: str) -> None:
        undoing.step_ended(draft, undo)
        failed = draft.node(undo).state is NodeState.FAILED
        if failed and draft.state is RunState.COMPENSATING:
            cancel_node(
                draft, next(name for name, node in draft.units() if node.state is NodeState.READY), reason=""
            )
            undoing._park(draft)

    patch.setattr(readiness, "step_ended", step_ended)


def ignores_the_window(patch: pytest.MonkeyPatch) -> None:
    healthy = foreach._foreach

    def unlimited(draft: Draft, name: str) -> object:
        return replace(healthy(draft, name), max_parallel=1_000)

    patch.setattr(foreach, "_foreach", unlimited)


def tolerates_any_failure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(foreach, "_failed_too_often", lambda definition, spread: False)


def lists_outputs_as_they_came(patch: pytest.MonkeyPatch) -> None:
    def shuffled(draft: Draft, name: str, spread: object) -> bytes:
        items = [node for unit, node in draft.units() if unit.startswith(f"{name}[") and not is_undo(unit)]
        items.sort(key=lambda node: node.completed or 0)
        return b"[" + b",".join([node.output or b"null" for node in items]) + b"]"

    patch.setattr(foreach, "_output_of", shuffled)


def loses_what_succeeds_while_cancelling(patch: pytest.MonkeyPatch) -> None:
    healthy = attempts.succeed

    def succeed(draft: Draft, event: AttemptSucceeded) -> None:
        if draft.state is RunState.CANCELLING:
            cancel_node(draft, event.node, reason="too late")
        else:
            healthy(draft, event)

    patch.setattr(attempts, "succeed", succeed)


def grants_claims_while_paused(patch: pytest.MonkeyPatch) -> None:
    open_states = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.COMPENSATING})
    table = {**timely.TIMELY, AttemptClaimed: Timely(open_states, frozenset({NodeState.READY}))}
    patch.setattr(timely, "TIMELY", table)


def retries_forget_what_items_did(patch: pytest.MonkeyPatch) -> None:
    """A retried `foreach` counts the items that succeeded before as not begun."""
    healthy = foreach._fill

    def fill(draft: Draft, name: str, *rest: object) -> object:
        filled = healthy(draft, name, *rest)  # type: ignore[arg-type]
        return replace(filled, succeeded=0) if draft.node(name).attempt > 1 else filled

    patch.setattr(foreach, "_fill", fill)


def lets_anybody_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("orchestrator.domain.refusals._why_no_answer", lambda run, event: None)


def repeats_once_too_often(patch: pytest.MonkeyPatch) -> None:
    healthy = outcomes._wants_repetition

    def wants(draft: Draft, name: str, planned: object, output: bytes) -> bool:
        repeat = planned.definition.repeat  # type: ignore[attr-defined]
        more = replace(repeat, max_=repeat.max_ + 1)
        definition = replace(planned.definition, repeat=more)  # type: ignore[attr-defined]
        return healthy(draft, name, replace(planned, definition=definition), output)  # type: ignore[type-var]

    patch.setattr(outcomes, "_wants_repetition", wants)


def takes_any_word_of_a_child_for_its_undoing(patch: pytest.MonkeyPatch) -> None:
    def addressed(run: object, event: ChildEnded) -> ChildEnded:
        undo = run.nodes.get(event.node + ":undo")  # type: ignore[attr-defined]
        if undo is None or undo.state is not NodeState.RUNNING:
            return event
        return replace(event, node=event.node + ":undo", attempt=undo.attempt)

    patch.setattr(decide, "_addressed", addressed)


def never_asks_about_a_child_again(patch: pytest.MonkeyPatch) -> None:
    """The word of its end may be lost, and no timer makes sure."""
    patch.setattr(waking, "_look_after_child", lambda *args, **fields: None)


def does_not_tell_the_parent_whose_child_it_cancels(patch: pytest.MonkeyPatch) -> None:
    """The effect of the engine, not the core: who cancels a child that has ended tells its end again."""
    healthy = SimulatedChildren.cancel

    def cancel(self: SimulatedChildren, order: object) -> None:
        patch.setattr(SimulatedChildren, "_tell_again", lambda self, child: None)
        healthy(self, order)  # type: ignore[arg-type]
        patch.setattr(SimulatedChildren, "_tell_again", told_again)

    told_again = SimulatedChildren._tell_again
    patch.setattr(SimulatedChildren, "cancel", cancel)


def starts_children_while_paused(patch: pytest.MonkeyPatch) -> None:
    def not_held(draft: Draft, name: str, node: Node, input: bytes) -> None:
        was, draft.state = draft.state, RunState.RUNNING
        children.start_child(draft, name, input=input)
        draft.state = was

    patch.setattr(children, "_hold", not_held)


def a_held_claim_costs_an_attempt(patch: pytest.MonkeyPatch) -> None:
    healthy = attempts.hold

    def hold(draft: Draft, event: AttemptClaimed) -> None:
        first_attempt = draft.node(event.node).first_attempt
        healthy(draft, event)
        draft.put(event.node, replace(draft.node(event.node), first_attempt=first_attempt))

    patch.setattr(attempts, "hold", hold)


def grants_a_claim_that_is_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(attempts, "hold", attempts.claim)


def a_cancelled_run_forgets_a_node_between_two_items(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("orchestrator.domain.ending.Spread", int)


def forgets_what_people_answered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waking, "with_answer", lambda answers, key, answer: b"{}")


def a_question_costs_an_attempt(patch: pytest.MonkeyPatch) -> None:
    healthy = attempts.wait_for_answer

    def wait_for_answer(draft: Draft, name: str, asked: AgentQuestion) -> None:
        first_attempt = draft.node(name).first_attempt
        healthy(draft, name, asked)
        draft.put(name, replace(draft.node(name), first_attempt=first_attempt))

    patch.setattr(attempts, "wait_for_answer", wait_for_answer)


def takes_an_answer_to_another_question(patch: pytest.MonkeyPatch) -> None:
    healthy = waking._hand_over
    patch.setattr(waking, "_hand_over", lambda draft, event, key: healthy(draft, event, f"not {key}"))


def goes_on_asking_in_a_run_that_stops(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(attempts, "may_start", lambda draft, name: True)


def simulate_many() -> None:
    for seed in range(SEEDS):
        simulate(SEEDS_STORMY_FROM + seed)


MUTANTS = [
    undoes_the_first_first,
    undoes_in_the_order_of_the_definition,
    forgets_one_of_many_steps,
    undoes_what_was_undone,
    begins_to_undo_while_something_runs,
    undoes_what_another_run_did,
    goes_on_though_it_was_to_halt,
    ignores_the_window,
    tolerates_any_failure,
    lists_outputs_as_they_came,
    loses_what_succeeds_while_cancelling,
    grants_claims_while_paused,
    retries_forget_what_items_did,
    lets_anybody_answer,
    repeats_once_too_often,
    takes_any_word_of_a_child_for_its_undoing,
    never_asks_about_a_child_again,
    does_not_tell_the_parent_whose_child_it_cancels,
    starts_children_while_paused,
    a_held_claim_costs_an_attempt,
    grants_a_claim_that_is_held,
    a_cancelled_run_forgets_a_node_between_two_items,
    forgets_what_people_answered,
    a_question_costs_an_attempt,
    takes_an_answer_to_another_question,
    goes_on_asking_in_a_run_that_stops,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulation_tells_of_a_core_that(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)

    with pytest.raises(AssertionError, match="seed"):
        simulate_many()
