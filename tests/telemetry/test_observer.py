"""What is counted of commits: the real core decides, the moments are the test's."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

from orchestrator.domain.events import (
    CancelRequested,
    PauseRequested,
    ReadyWentUnclaimed,
    ResumeRequested,
    RetryCameDue,
)
from orchestrator.engine.moments import Moments
from orchestrator.engine.observer import Observer
from orchestrator.engine.series import AGENTS_MAX, MODELS_MAX
from penstock.contracts.failure import ErrorClass
from penstock.contracts.usage import ModelUsage, Usage
from penstock.definition.expressions import Expressions
from tests.telemetry.samples import labels_of, value
from tests.telemetry.story import Story

RETRIED = {"attempts": 3, "delay": "1s", "max_delay": "1s", "factor": 1, "jitter": 0}
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"


@pytest.fixture(scope="module")
def expressions() -> Iterator[Expressions]:
    opened = Expressions()
    yield opened
    opened.close()


def pair(name: str, **node: object) -> dict[str, object]:
    return {"name": name, "nodes": {"a": {"agent": "echo", **node}, "b": {"agent": "echo", "needs": ["a"]}}}


def count(name: str, workflow: str, **labels: str) -> float:
    return value(name, project="default", workflow=workflow, **labels)


def test_a_run_its_nodes_and_its_waits_take_the_time_between_their_commits(expressions: Expressions) -> None:
    waited = value("penstock_queue_wait_seconds_sum", project="default", pool="default")
    story = Story(Observer(), expressions.evaluate, pair("timed"))
    story.seconds = 2
    story.claim("a")
    story.seconds = 5
    story.succeed("a", usage=Usage(3.0))
    story.seconds = 6
    story.claim("b")
    story.seconds = 10
    story.succeed("b", usage=Usage(4.0))

    assert count("penstock_runs_started_total", "timed") == 1
    assert count("penstock_runs_ended_total", "timed", outcome="succeeded") == 1
    assert count("penstock_run_duration_seconds_sum", "timed", outcome="succeeded") == 10
    assert count("penstock_node_duration_seconds_sum", "timed", agent="echo") == 5 + 5
    assert count("penstock_nodes_ended_total", "timed", agent="echo", outcome="succeeded") == 2
    assert count("penstock_attempts_total", "timed", agent="echo", outcome="succeeded") == 2
    assert count("penstock_execution_seconds_total", "timed", agent="echo") == 7
    assert value("penstock_queue_wait_seconds_sum", project="default", pool="default") - waited == 2 + 1


def test_a_retried_node_is_one_node_of_several_attempts(expressions: Expressions) -> None:
    lapsed = value("penstock_leases_lapsed_total", pool="default")
    story = Story(Observer(), expressions.evaluate, pair("retried", retry=RETRIED))
    story.claim("a")
    story.fail("a", ErrorClass.NETWORK, seconds=1.5)
    story.seconds = 1
    story.happens(RetryCameDue("a", 1))
    story.claim("a")
    story.lapse("a")
    story.seconds = 2
    story.happens(RetryCameDue("a", 2))
    story.claim("a")
    story.seconds = 9
    story.succeed("a")

    assert count("penstock_retries_total", "retried", error_class="network") == 1
    assert count("penstock_retries_total", "retried", error_class="lost") == 1
    outcomes = {
        outcome: count("penstock_attempts_total", "retried", agent="echo", outcome=outcome)
        for outcome in ("failed", "lapsed", "succeeded")
    }
    assert outcomes == {"failed": 1, "lapsed": 1, "succeeded": 1}
    assert value("penstock_leases_lapsed_total", pool="default") - lapsed == 1
    assert count("penstock_nodes_ended_total", "retried", agent="echo", outcome="succeeded") == 1
    assert count("penstock_node_duration_seconds_sum", "retried", agent="echo") == 9
    assert count("penstock_execution_seconds_total", "retried", agent="echo") == 1.5


def test_an_attempt_that_a_cancelled_run_lost_with_its_runner_has_lapsed(expressions: Expressions) -> None:
    story = Story(Observer(), expressions.evaluate, pair("cancelled"))
    story.claim("a")
    story.happens(CancelRequested(by="ann", reason="stop"))
    story.lapse("a")

    assert count("penstock_attempts_total", "cancelled", agent="echo", outcome="lapsed") == 1
    assert count("penstock_nodes_ended_total", "cancelled", agent="echo", outcome="cancelled") == 2
    assert count("penstock_runs_ended_total", "cancelled", outcome="cancelled") == 1


def test_the_time_of_an_attempt_that_was_stopped_counts(expressions: Expressions) -> None:
    story = Story(Observer(minute_price_dollars=6.0), expressions.evaluate, pair("stopped"))
    story.claim("a")
    story.happens(CancelRequested(by="ann", reason="stop"))
    story.fail("a", seconds=30.0)

    assert count("penstock_attempts_total", "stopped", agent="echo", outcome="cancelled") == 1
    assert count("penstock_execution_seconds_total", "stopped", agent="echo") == 30
    assert count("penstock_cost_dollars_total", "stopped", kind="execution") == pytest.approx(3.0)


def test_a_queue_wait_counts_from_the_first_offer_and_not_while_the_run_is_paused(
    expressions: Expressions,
) -> None:
    labels = {"project": "paused-project", "pool": "default"}
    story = Story(Observer(), expressions.evaluate, pair("paused"), project="paused-project")
    story.seconds = 30
    story.happens(ReadyWentUnclaimed("a", 1, 1))
    story.seconds = 31
    story.claim("a")
    story.succeed("a")
    story.happens(PauseRequested(by="ann"))
    story.seconds = 1_000
    story.happens(ResumeRequested(by="ann"))
    story.seconds = 1_004
    story.claim("b")

    assert value("penstock_queue_wait_seconds_sum", **labels) == 31 + 4
    assert value("penstock_queue_wait_seconds_count", **labels) == 2


def test_items_and_undoings_are_attempts_but_no_nodes(expressions: Expressions) -> None:
    document = {
        "name": "undone",
        "on_failure": "compensate",
        "nodes": {
            "spread": {"agent": "echo", "foreach": [1, 2], "compensate": "take-back"},
            "breaks": {"agent": "echo", "needs": ["spread"], "retry": "none"},
        },
    }
    story = Story(Observer(), expressions.evaluate, document)
    for item in ("spread[0]", "spread[1]"):
        story.claim(item)
        story.succeed(item)
    story.claim("breaks")
    story.fail("breaks")
    story.claim("spread[1]:undo")
    story.succeed("spread[1]:undo")
    story.claim("spread[0]:undo")
    story.succeed("spread[0]:undo")

    assert count("penstock_attempts_total", "undone", agent="echo", outcome="succeeded") == 2
    assert count("penstock_attempts_total", "undone", agent="take-back", outcome="succeeded") == 2
    assert count("penstock_nodes_ended_total", "undone", agent="echo", outcome="succeeded") == 1
    assert count("penstock_compensations_total", "undone", outcome="succeeded") == 2
    assert count("penstock_runs_ended_total", "undone", outcome="compensated") == 1


def test_an_unknown_cost_is_counted_as_unknown_and_never_as_nothing(expressions: Expressions) -> None:
    story = Story(Observer(day_budget_dollars=5.0), expressions.evaluate, pair("costly"), project="spender")
    used = (
        ModelUsage("known", calls=2, tokens_in=100, tokens_out=10, cost_dollars=0.25),
        ModelUsage("own", calls=3, tokens_in=7, tokens_out=1, unpriced=3),
    )
    story.claim("a")
    story.succeed("a", usage=Usage(1.0, models=used))

    labels = {"project": "spender", "workflow": "costly"}
    assert value("penstock_llm_tokens_total", **labels, model="known", direction="in") == 100
    assert value("penstock_llm_tokens_total", **labels, model="own", direction="out") == 1
    assert value("penstock_cost_dollars_total", **labels, kind="llm") == 0.25
    assert value("penstock_cost_unknown_total", **labels, model="own") == 3
    assert value("penstock_budget_dollars", project="spender") == 5
    assert {"kind": "execution", **labels} not in labels_of("penstock_cost_dollars_total")


def test_a_duration_whose_beginning_nobody_here_saw_is_left_to_be_read(expressions: Expressions) -> None:
    elsewhere, here = Observer(), Observer()
    story = Story(elsewhere, expressions.evaluate, pair("moved"))
    story._observer = here
    for node in ("a", "b"):
        story.seconds += 1
        story.claim(node)
        story.succeed(node)

    assert count("penstock_runs_ended_total", "moved", outcome="succeeded") == 1
    assert count("penstock_run_duration_seconds_count", "moved", outcome="succeeded") == 0
    assert list(here.unread) == [story.run.id]
    here.unread[story.run.id].observe(12.0)
    assert count("penstock_run_duration_seconds_sum", "moved", outcome="succeeded") == 12


def test_durations_carry_the_trace_of_a_run_that_is_sampled(expressions: Expressions) -> None:
    story = Story(Observer(), expressions.evaluate, pair("traced"), traceparent=SAMPLED)
    for node in ("a", "b"):
        story.claim(node)
        story.succeed(node)

    page = generate_latest(REGISTRY).decode()
    shown = [line for line in page.splitlines() if 'workflow="traced"' in line and " # {" in line]
    assert {line.partition("_bucket")[0] for line in shown} == {
        "penstock_run_duration_seconds",
        "penstock_node_duration_seconds",
    }
    assert all('trace_id="4bf92f3577b34da6a3ce929d0e0e4736"' in line for line in shown)


def test_nothing_is_remembered_of_runs_that_have_ended(expressions: Expressions) -> None:
    observer = Observer()
    for _ in range(3):
        story = Story(observer, expressions.evaluate, pair("forgotten"))
        for node in ("a", "b"):
            story.claim(node)
            story.succeed(node)

    assert len(observer._moments) == 0


def test_moments_are_bounded_and_the_oldest_run_goes_first() -> None:
    moments = Moments(units_max=10)
    ids = [uuid4() for _ in range(6)]
    for run in ids:
        for name in ("a", "b"):
            moments.unit(moments.of(run), name, at=1.0)

    assert len(moments) <= 12
    assert moments.of(ids[0]).units == {}
    assert set(moments.of(ids[-1]).units) == {"a", "b"}


def test_a_thousand_names_of_everything_make_a_bounded_number_of_series(expressions: Expressions) -> None:
    observer = Observer()
    for n in range(1_000):
        name = f"w{n}"
        document = {"name": name, "nodes": {"a": {"agent": f"agent-{n}", "pool": f"pool-{n}"}}}
        story = Story(observer, expressions.evaluate, document, project=f"project-{n}")
        story.claim("a")
        story.succeed("a", usage=Usage(1.0, models=(ModelUsage(f"model-{n}", calls=1, tokens_in=1),)))
    workflows = {f"w{n}" for n in range(1_000)} | {"other"}

    def series(metric: str) -> int:
        return sum(labels.get("workflow") in workflows for labels in labels_of(metric))

    assert series("penstock_runs_started_total") == 201
    assert series("penstock_nodes_ended_total") <= AGENTS_MAX + 201
    assert series("penstock_llm_tokens_total") <= 2 * (MODELS_MAX + 201)
    pools = [labels["pool"] for labels in labels_of("penstock_queue_wait_seconds_count")]
    assert sum(pool.startswith("pool-") for pool in pools) == 200
    assert value("penstock_runs_started_total", project="other", workflow="other") == 800


def test_agents_of_one_workflow_share_a_series_beyond_their_bound(expressions: Expressions) -> None:
    observer = Observer()
    nodes = {f"n{n}": {"agent": f"many-{n}"} for n in range(AGENTS_MAX + 100)}
    story = Story(observer, expressions.evaluate, {"name": "many", "nodes": nodes})
    for node in nodes:
        story.claim(node)
        story.succeed(node)

    agents = [each for each in labels_of("penstock_nodes_ended_total") if each["workflow"] == "many"]
    assert len(agents) == AGENTS_MAX + 1
    assert count("penstock_nodes_ended_total", "many", agent="other", outcome="succeeded") == 100
