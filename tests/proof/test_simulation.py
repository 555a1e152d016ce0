"""Whole runs in faulty worlds: each seed draws a workflow and a mix of faults; every invariant, at every step."""

import os
from random import Random

import pytest

from orchestrator.domain import timely
from orchestrator.domain.decide import Fork
from orchestrator.domain.events import AttemptFailed, AttemptParked, AttemptReleased, AttemptSucceeded
from orchestrator.domain.run import Run, RunState
from penstock.contracts.workflow import RunIf
from tests.proof import faults
from tests.proof.shapes import random_workflow
from tests.proof.simulation import Simulation

SEEDS = int(os.environ.get("PENSTOCK_PROOF_SEEDS", "300"))
SEEDS_PLAIN = 100
SEEDS_CALM = 60
SEEDS_STORMY_FROM = 1_000_000
ADORNED_SHARE = 0.85
FORKED_SHARE = 0.3
RESULTS = (AttemptSucceeded, AttemptFailed, AttemptReleased, AttemptParked)


def simulate(seed: int, *, adorned_share: float = ADORNED_SHARE, with_sweep: bool = True) -> Run:
    """A run of one seed; and sometimes another one that goes on from it, for which it is returned."""
    random = Random(seed)
    definition = random_workflow(random, adorned_share=adorned_share)
    mix = faults.stormy(random) if seed >= SEEDS_STORMY_FROM else faults.draw(random)
    try:
        run = Simulation(definition, mix, random, with_sweep=with_sweep).run()
        begun = [name for name in run.plan.nodes if run.nodes[name].attempt > 0]
        if begun and random.random() < FORKED_SHARE:
            fork = Fork(run, random.choice(begun))
            run = Simulation(definition, mix, random, with_sweep=with_sweep, fork=fork).run()
        return run
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r} (world: {mix})") from error


def test_every_run_ends_and_every_invariant_holds_whatever_the_world_does() -> None:
    ends = {simulate(seed, adorned_share=0).state for seed in range(SEEDS_PLAIN)}

    assert ends >= {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}


@pytest.mark.parametrize("first", [0, SEEDS_STORMY_FROM], ids=["faulty", "stormy"])
def test_the_whole_language_keeps_its_promises_whatever_the_world_and_the_people_do(first: int) -> None:
    ends = {simulate(seed).state for seed in range(first, first + SEEDS // 2)}

    assert ends == {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.COMPENSATED}


@pytest.mark.parametrize("seed", range(SEEDS_CALM))
def test_without_faults_each_node_ends_as_its_needs_and_conditions_say(seed: int) -> None:
    random = Random(seed)

    run = Simulation(random_workflow(random), faults.none(), random).run()

    assert (
        run.state is RunState.SUCCEEDED
        or run.plan.definition.timeout.total_seconds() < 3_600
        or any(node.failure for _, node in run.nodes.items())
    ), f"seed {seed}"
    for name, node in run.nodes.items():
        if run.state is RunState.SUCCEEDED:
            assert node.state.value == _expected(run, name), f"seed {seed}: '{name}'"


def _expected(run: Run, name: str) -> str:
    """Worked out from the ends of its needs alone."""
    planned = run.plan.nodes[name]
    states = [run.nodes[need].state.value for need in planned.upstream]
    wanted = {
        RunIf.ALL_DONE: True,
        RunIf.ANY_SUCCEEDED: "succeeded" in states or not states,
        RunIf.ALL_SUCCEEDED: all(state == "succeeded" for state in states),
    }
    if not wanted[planned.definition.run_if]:
        return "skipped"
    if planned.condition is None:
        return "succeeded"
    needed = planned.condition.nodes[0]
    output = run.nodes[needed].output
    return "succeeded" if output is not None and b'"go": true' in output else "skipped"


def _first_fault(**options: bool) -> str:
    """What the simulation says of the first seed that it does not like."""
    return first_fault(SEEDS, adorned_share=0, **options)


def first_fault(seeds: int, **options: float) -> str:
    for seed in range(seeds):
        try:
            simulate(seed, **options)  # type: ignore[arg-type]
        except AssertionError as fault:
            return str(fault)
    return "nothing"


def test_simulation_tells_of_a_result_accepted_whatever_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "orchestrator.domain.decide.is_timely",
        lambda run, node, event: isinstance(event, RESULTS) or timely.is_timely(run, node, event),
    )

    fault = _first_fault()

    assert "was recorded for one who does not hold it" in fault or "no node goes from" in fault


def test_simulation_tells_of_a_missing_attempt_and_token_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "orchestrator.domain.decide.speaks_of_current",
        lambda node, event: isinstance(event, RESULTS) or timely.speaks_of_current(node, event),
    )

    assert "was recorded for one who does not hold it" in _first_fault()


def test_simulation_tells_of_a_missing_sweep() -> None:
    assert "the run never ended" in _first_fault(with_sweep=False)
