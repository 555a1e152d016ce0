"""The pages that Prometheus scrapes, of all three services, after a real load."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from penstock_cli.embedded.ports import free_port
from tests.e2e.agents import write_agent
from tests.e2e.conftest import Api
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.sandbox

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

THINKER = """
import json, sys
from penstock.agents import context

given = json.load(sys.stdin)
context.report_usage("claude", tokens_in=1000, tokens_out=200, cost_dollars=0.25)
context.report_usage("home-made", tokens_in=10)
json.dump({"value": given["value"]}, sys.stdout)
"""
WORKFLOW = {
    "name": "measured",
    "nodes": {
        "think": {"agent": "thinker", "with": {"value": 1}},
        "steady": {"agent": "steady", "with": {"value": "${{ nodes.think.output.value }}"}},
        "flaky": {
            "agent": "actor",
            "with": {"value": 1, "failures": 1},
            "needs": ["steady"],
            "retry": {"attempts": 2, "delay": "10ms", "retry_on": ["error"]},
        },
    },
}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Pages:
    """The metrics of three services."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls

    def text(self, service: str, *, accept: str = "text/plain") -> str:
        return httpx.get(f"{self._urls[service]}/metrics", headers={"accept": accept}, timeout=10).text

    def value(self, service: str, name: str, **labels: str) -> float:
        """The sum of the samples of that name with at least these labels."""
        return sum(
            sample.value
            for family in parse_text(self.text(service))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._urls)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pages, Stack]]:
    folder = tmp_path_factory.mktemp("measured")
    write_agent(folder / "agents", "thinker", THINKER)
    port = free_port()
    stack = Stack(
        folder=folder,
        agents=(ROOT / "tests/agents_for_tests", folder / "agents"),
        notifiers=1,
        extra={
            "PENSTOCK_ORCHESTRATOR_GAUGES_EVERY_S": "0.2",
            "PENSTOCK_ORCHESTRATOR_MINUTE_PRICE_DOLLARS": "60",
            "PENSTOCK_ORCHESTRATOR_DAY_BUDGET_DOLLARS": "10",
        },
        own={"runner-0": {"PENSTOCK_RUNNER_HTTP_PORT": str(port)}},
    )
    with stack:
        urls = {
            "orchestrator": stack.url,
            "agent-runner": f"http://127.0.0.1:{port}",
            "notifier": stack.notifier_url,
        }
        yield Pages(urls), stack


@pytest.fixture(scope="module")
async def loaded(pages: tuple[Pages, Stack]) -> Pages:
    """After three runs, of which one carries a trace."""
    measured, stack = pages
    async with httpx.AsyncClient(base_url=stack.url, timeout=90) as client:
        api = Api(client)
        await api.define(WORKFLOW)
        client.headers["traceparent"] = f"00-{TRACE}-00f067aa0ba902b7-01"
        for _ in range(3):
            ended = await api.ended(await api.start("measured"))
            assert ended["state"] == "succeeded", ended
        client.headers.pop("traceparent")
        await api.get("/statistics")
    return measured


def test_runs_nodes_and_attempts_are_counted(loaded: Pages) -> None:
    of: dict[str, Any] = {"project": "default", "workflow": "measured"}

    def count(name: str, **labels: str) -> float:
        return loaded.value("orchestrator", name, **of, **labels)

    assert count("penstock_runs_started_total") == 3
    assert count("penstock_runs_ended_total", outcome="succeeded") == 3
    assert count("penstock_run_duration_seconds_count") == 3
    assert count("penstock_nodes_ended_total", outcome="succeeded") == 9
    assert count("penstock_node_duration_seconds_count", agent="actor") == 3
    assert count("penstock_attempts_total", agent="actor", outcome="failed") == 3
    assert count("penstock_retries_total") == 3
    assert count("penstock_execution_seconds_total", agent="thinker") > 0
    assert loaded.value("orchestrator", "penstock_queue_wait_seconds_count", pool="default") == 12


def test_what_it_cost_is_counted_and_what_nobody_knows_is_not_nothing(loaded: Pages) -> None:
    def count(name: str, **labels: str) -> float:
        return loaded.value("orchestrator", name, **labels)

    assert count("penstock_llm_tokens_total", model="claude", direction="in") == 3_000
    assert count("penstock_llm_tokens_total", model="claude", direction="out") == 600
    assert count("penstock_cost_dollars_total", kind="llm") == 0.75
    assert count("penstock_cost_unknown_total", model="home-made") == 3
    seconds = count("penstock_execution_seconds_total")
    assert count("penstock_cost_dollars_total", kind="execution") == pytest.approx(seconds)
    assert count("penstock_budget_dollars", project="default") == 10


def test_the_world_is_shown(loaded: Pages) -> None:
    def gauge(name: str, **labels: str) -> float:
        return loaded.value("orchestrator", name, **labels)

    assert gauge("penstock_pool_runners", pool="default") == 1
    assert gauge("penstock_database_up") == gauge("penstock_bus_up") == 1
    assert gauge("penstock_bus_stream_messages", stream="EVENTS") > 0
    assert gauge("penstock_database_connections", state="idle") > 0
    assert gauge("penstock_relay_delay_seconds_count") > 0
    operation = "penstock_database_operation_seconds_count"
    assert all(gauge(operation, operation=name) > 0 for name in ("save", "start", "read_statistics"))


def test_the_runner_tells_how_fast_it_starts_agents(loaded: Pages) -> None:
    def count(name: str, **labels: str) -> float:
        return loaded.value("agent-runner", name, **labels)

    assert count("penstock_runner_claim_to_start_seconds_count", reuse="never") >= 3
    assert count("penstock_runner_claim_to_start_seconds_count", reuse="process") >= 3
    assert count("penstock_runner_sandbox_starts_total", tier="bwrap", reuse="never") >= 3
    assert count("penstock_runner_sandbox_starts_total", tier="bwrap", reuse="process") == 2
    assert count("penstock_http_requests_total", route="/metrics") > 0


def test_every_service_says_what_it_is_in_both_formats(loaded: Pages) -> None:
    for service in loaded:
        text = list(parse_text(loaded.text(service)))
        families = {
            family.name: family for family in parse_openmetrics(loaded.text(service, accept=OPENMETRICS))
        }

        (target,) = [sample for sample in families["target"].samples if sample.name == "target_info"]
        assert target.labels["service_name"] == f"penstock-{service}"
        assert target.labels["service_version"]
        assert {sample.name for family in text for sample in family.samples} >= {"target_info"}


def test_no_service_speaks_of_what_another_one_knows(loaded: Pages) -> None:
    for service in loaded:
        shown = {family.name for family in parse_text(loaded.text(service))}

        assert ("penstock_runs_open" in shown) == (service == "orchestrator")
        assert ("penstock_database_up" in shown) == (service in ("orchestrator", "notifier"))
        assert ("penstock_runner_slots" in shown) == (service == "agent-runner")
        assert ("penstock_deliveries_waiting" in shown) == (service == "notifier")
        assert loaded.value(service, "penstock_bus_up") == 1


def test_no_label_of_any_service_holds_an_id(loaded: Pages) -> None:
    for service in loaded:
        for family in parse_text(loaded.text(service)):
            for sample in family.samples:
                assert not any(map(UUID.search, sample.labels.values())), sample


def test_durations_lead_to_their_trace(loaded: Pages) -> None:
    page = loaded.text("orchestrator", accept=OPENMETRICS)

    traced = {
        family.name
        for family in parse_openmetrics(page)
        for sample in family.samples
        if sample.exemplar and sample.exemplar.labels["trace_id"] == TRACE
    }

    assert traced == {
        "penstock_run_duration_seconds",
        "penstock_node_duration_seconds",
        "penstock_queue_wait_seconds",
        "penstock_http_request_duration_seconds",
    }
