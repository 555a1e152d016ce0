"""Forks: a new run takes over what another has done, up to a node, and goes on from there."""

from datetime import timedelta

import pytest

from orchestrator.domain.decide import Fork, begin
from orchestrator.domain.detail import Lookup
from orchestrator.domain.events import CacheAnswered, CompensateRequested, RetryRequested, SlotGranted
from orchestrator.domain.fork import plan_fork
from orchestrator.domain.invariants import check
from orchestrator.domain.plan import Plan, make_plan
from orchestrator.domain.run import Run, RunState
from penstock.contracts.errors import Conflict, NotFound
from penstock.contracts.value import replace
from penstock.contracts.workflow import CacheDefinition, Compensation, ForeachDefinition
from tests.builders import NO_RETRY, RUN_ID, Story, evaluate, node, plan, token, workflow

NODES = (node("a"), node("b", "a", with_="${{ nodes.a.output }}"), node("c", "b"), node("side", "a"))
FORK_ID = token("fork")


def key_of(story: Story, name: str) -> str:
    """What the node waits for the cache to answer."""
    detail = story.run.nodes[name].detail
    assert isinstance(detail, Lookup)
    return detail.key


def failed_run() -> Run:
    story = Story(plan(*NODES[:2], node("c", "b", retry=NO_RETRY), NODES[3]))
    story.succeed("a", b"1")
    story.succeed("b", b"2")
    story.succeed("side", b"3")
    story.fail("c")
    assert story.run.state is RunState.FAILED
    return story.run


def forked(source: Run, node: str, *, on: Plan | None = None) -> Run:
    fork = Fork(source, node)
    decision = begin(
        id=FORK_ID,
        project="default",
        plan=on or source.plan,
        input=source.input,
        evaluate=evaluate,
        fork=fork,
    )
    check(decision.run)
    return decision.run


def test_a_fork_takes_over_what_came_before_and_runs_the_rest_again() -> None:
    source = failed_run()

    run = forked(source, "b")

    assert {name: unit.state.value for name, unit in run.nodes.items()} == {
        "a": "succeeded",
        "b": "ready",
        "c": "waiting",
        "side": "succeeded",
    }
    assert run.nodes["b"].input == b"1"
    assert run.nodes["a"].output_run == source.id
    assert run.source == source.id


def test_a_fork_of_a_fork_refers_to_where_the_output_is() -> None:
    source = failed_run()

    again = forked(replace(forked(source, "b"), id=token("first")), "b")

    assert again.nodes["a"].output_run == source.id


def test_a_node_that_is_defined_differently_is_run_again_with_all_behind_it() -> None:
    source = failed_run()
    changed = make_plan(workflow(replace(NODES[0], pool="gpu"), *NODES[1:]), version=2)

    what = plan_fork(source, changed, from_="c")

    assert what.reused == ()
    assert what.changed == ("a", "c")  # c lost its retry profile


def test_what_failed_is_never_taken_over() -> None:
    source = failed_run()

    assert plan_fork(source, source.plan, from_="side").run_again == ("c", "side")


def test_a_fork_from_a_node_that_never_ran_or_does_not_exist_is_refused() -> None:
    story = Story(plan(*NODES))
    story.succeed("a")

    with pytest.raises(Conflict, match=r"node 'c' never ran in run .* \(it is waiting\)"):
        plan_fork(story.run, story.run.plan, from_="c")
    with pytest.raises(NotFound, match="did you mean 'side'"):
        plan_fork(story.run, story.run.plan, from_="sides")


def test_what_was_undone_is_run_again() -> None:
    undo = Compensation(agent="undoer")
    each = ForeachDefinition(items=[1, 2])
    story = Story(
        plan(node("a"), node("b", "a", compensate=undo), node("c", "a", foreach=each, compensate=undo))
    )
    for name in ("a", "b", "c[0]", "c[1]"):
        story.succeed(name)
    story.tell(CompensateRequested(by="ada", reason="wrong"))
    while story.run.state is RunState.COMPENSATING:
        story.succeed(next(name for name, state in story.states().items() if state == "ready"))

    what = plan_fork(story.run, story.run.plan, from_="b")

    assert (what.reused, what.run_again) == (("a",), ("b", "c"))


def test_a_node_whose_output_came_from_the_cache_and_one_that_waits_for_a_retry_did_run() -> None:
    cached = node("a", cache=CacheDefinition(key="x", ttl=timedelta(hours=1)))
    story = Story(plan(cached, node("b", "a", retry=NO_RETRY), node("c", "b")))
    story.tell(CacheAnswered("a", 0, key_of(story, "a"), b"1", RUN_ID))
    story.fail("b")
    story.tell(RetryRequested(by="ada"))

    assert plan_fork(story.run, story.run.plan, from_="a").reused == ()
    assert plan_fork(story.run, story.run.plan, from_="b").reused == ("a",)


def test_a_fork_that_waits_for_its_slot_goes_on_where_it_was_forked() -> None:
    source = failed_run()
    fork = Fork(source, "b")
    queued = begin(
        id=FORK_ID,
        project="default",
        plan=source.plan,
        input=source.input,
        evaluate=evaluate,
        fork=fork,
        concurrency_key="k",
        queued=True,
    )
    story = Story(source.plan)
    story.run = queued.run

    story.tell(SlotGranted())

    assert story.states() == {"a": "succeeded", "b": "ready", "c": "waiting", "side": "succeeded"}


def test_undoing_a_fork_leaves_alone_what_the_source_did() -> None:
    undo = Compensation(agent="undoer")
    story = Story(plan(node("a", compensate=undo), node("b", "a", compensate=undo, retry=NO_RETRY)))
    story.succeed("a")
    story.fail("b")
    fork = Story(story.run.plan)
    fork.run = forked(story.run, "b")
    fork.succeed("b")

    fork.tell(CompensateRequested(by="ada", reason="wrong"))

    assert "a:undo" not in fork.run.nodes
    assert fork.states()["b:undo"] == "ready"
    assert RUN_ID != FORK_ID
