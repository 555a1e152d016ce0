"""What spans a timeline makes: of single stories, and of whole runs in faulty worlds."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from orchestrator.domain.decision import Fact
from orchestrator.domain.events import AttemptClaimed, PauseRequested, Refusal, ResumeRequested
from orchestrator.engine.run_trace import RUN_ENDS, RunTrace, TracedRun
from orchestrator.engine.span_contexts import attempt_span_id, run_span_id
from penstock.contracts.timeline import Kind, TimelineEvent
from penstock.contracts.wire import encode, raw
from penstock.contracts.workflow import Compensation, OnFailure, RunIf
from penstock.telemetry.span import Span
from penstock.telemetry.traceparent import TraceParent
from tests.builders import BROKEN, NO_RETRY, RUN_ID, SHAKY, Story, node, plan, retrying, token
from tests.proof import faults
from tests.proof.shapes import random_workflow
from tests.proof.simulation import Simulation

ABOVE = TraceParent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 3)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SEEDS = 200
UNDO = Compensation(agent="undoer")


def spans_of(facts: Iterable[Fact], *, above: TraceParent = ABOVE) -> list[Span]:
    """A second passes from fact to fact."""
    spans: list[Span] = []
    trace, phase = trace_of(0, above), 0
    for seq, fact in enumerate(facts, start=1):
        if trace is None:
            trace = trace_of(phase, above)
        at = NOON + timedelta(seconds=seq)
        data = raw(encode(fact.data))
        spans += trace.tell(TimelineEvent(RUN_ID, seq, at, fact.kind, fact.node, fact.attempt, data))
        if fact.kind in RUN_ENDS:
            trace, phase = None, phase + 1
    return spans


def trace_of(phase: int, above: TraceParent) -> RunTrace | None:
    run = TracedRun(id=RUN_ID, project="default", workflow="demo", version=1, above=above, phase=phase)
    return RunTrace(run, queue_of=lambda unit: ("default", "penstock.node.ready.default.worker"))


def told(story: Story) -> list[Span]:
    return spans_of(fact for decision in story.decisions for fact in decision.facts)


def below(spans: list[Span], name: str) -> list[str]:
    (span,) = [span for span in spans if span.name == name]
    return [each.name for each in sorted(spans, key=lambda s: s.start) if each.parent == span.own.span_id]


def test_what_is_undone_is_a_span_with_the_attempts_of_its_undoing() -> None:
    story = Story(
        plan(node("a", compensate=UNDO), node("b", "a", retry=NO_RETRY), on_failure=OnFailure.COMPENSATE)
    )
    story.succeed("a")
    story.fail("b")
    story.succeed("a:undo")

    spans = told(story)

    assert below(spans, "run demo") == ["node a", "node b", "undo a"]
    assert below(spans, "undo a") == ["queue default", "attempt 1"]


def test_what_a_breaker_holds_back_is_suspended_and_says_by_what() -> None:
    story = Story(plan(node("a")))
    refusal = Refusal("breaker", "worker", "the breaker of 'worker' is open", wait_s=20.0)
    story.tell(AttemptClaimed("a", 1, token("r1/a/1"), "r1", refusal=refusal))
    story.wake("a")
    story.succeed("a")

    spans = told(story)

    (held,) = [span for span in spans if span.name == "suspended"]
    assert below(spans, "node a") == ["queue default", "suspended", "queue default", "attempt 2"]
    assert (held.attributes["penstock.waits_for"], held.attributes["penstock.key"]) == ("breaker", "worker")


def test_an_offer_that_is_repeated_has_waited_once() -> None:
    story = Story(plan(node("a")))
    story.unclaimed("a")
    story.unclaimed("a")
    story.succeed("a")

    spans = told(story)

    (queue,) = [span for span in spans if span.name == "queue default"]
    assert queue.end - queue.start == timedelta(seconds=3)


def test_a_retry_links_to_the_attempt_before_and_backs_off_in_between() -> None:
    story = Story(plan(node("a", retry=retrying(3))))
    story.fail("a", SHAKY)
    story.due("a")
    story.lapse("a")
    story.due("a")
    story.succeed("a")

    spans = told(story)

    links = {span.name: [link.span_id for link in span.links] for span in spans if "attempt" in span.name}
    first, second = (attempt_span_id(RUN_ID, "a", number) for number in (1, 2))
    assert links == {"attempt 1": [], "attempt 2": [first], "attempt 3": [second]}
    assert below(spans, "node a").count("backoff") == 2
    assert [span.error is not None for span in spans if "attempt" in span.name] == [True, True, False]


def test_a_paused_run_shows_how_long() -> None:
    story = Story(plan(node("a")))
    story.tell(PauseRequested(by="ada", reason="lunch"))
    story.tell(ResumeRequested(by="ada"))
    story.succeed("a")

    (paused,) = [span for span in told(story) if span.name == "paused"]

    assert paused.parent == run_span_id(RUN_ID)
    assert paused.attributes["penstock.by"] == "ada"


def test_what_never_began_has_no_span_and_what_failed_has_its_reason() -> None:
    story = Story(plan(node("a", retry=NO_RETRY), node("b", "a"), node("c", "a", run_if=RunIf.ALL_DONE)))
    story.fail("a", BROKEN)
    story.succeed("c")

    spans = told(story)

    errors = {(span.name, span.attributes.get("penstock.node")): span.error for span in spans}
    assert "node b" not in {span.name for span in spans}
    assert errors["node a", "a"] == errors["attempt 1", "a"] == "Broken: it broke"
    assert errors["run demo", None] == "Broken: node 'a' failed: it broke"
    assert errors["node c", "c"] is None


def test_a_run_that_nobody_asked_for_is_the_root_of_its_trace() -> None:
    story = Story(plan(node("a")))
    story.succeed("a")
    facts = [fact for decision in story.decisions for fact in decision.facts]

    (whole,) = [s for s in spans_of(facts, above=ABOVE.child(run_span_id(RUN_ID))) if s.name == "run demo"]

    assert whole.parent is None


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_whatever_the_world_does_the_spans_are_a_tree_and_no_attempt_is_left_out(first: int) -> None:
    for seed in range(first, first + 20):
        random = Random(seed)
        simulation = Simulation(random_workflow(random, adorned_share=0.85), faults.draw(random), random)
        simulation.run()
        facts = simulation.store.events

        spans = spans_of(facts)

        by_id = {span.own.span_id: span for span in spans}
        begun = {(f.node, f.attempt) for f in facts if f.kind is Kind.NODE_STARTED}
        assert len(by_id) == len(spans), f"seed {seed}: an id means two spans"
        assert {attempt_span_id(RUN_ID, *each) for each in begun} <= by_id.keys(), f"seed {seed}"
        for span in spans:
            above = by_id.get(span.parent or "")
            assert above is not None or span.parent == ABOVE.span_id, (
                f"seed {seed}: {span.name} hangs in the air"
            )
            assert above is None or above.start <= span.start <= span.end <= above.end, (
                f"seed {seed}: {span.name}"
            )
