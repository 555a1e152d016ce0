"""A real Prometheus that scraped a real Penstock under a load in which everything happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from penstock.bus import permissions
from penstock_cli.embedded.observers import JOBS
from penstock_cli.embedded.ports import free_port
from penstock_cli.embedded.prometheus import Prometheus
from tests.e2e.conftest import Api
from tests.model_server import ModelServer
from tests.observe import load, neighbours
from tests.stack import ROOT, Stack

RULES = ROOT / "deploy/prometheus/rules"
LEASE_S = 2.0
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # sampled: what is measured of these requests and runs names it
SCRAPES_AFTER = 3  # a rate needs two, and rules another


@dataclass(frozen=True)
class Observed:
    """A Prometheus with the series of a load that ran since `since`."""

    url: str
    since: float
    until: float

    def series(self, query: str, *, instant: bool) -> list[dict[str, Any]]:
        """What Grafana would get: at the end, or over the whole load. What is no number is no data."""
        if instant:
            answer = self._get("query", query=query, time=self.until)
            return [each for each in answer if each["value"][1] != "NaN"]
        answer = self._get("query_range", query=query, start=self.since, end=self.until, step=1)
        return [each for each in answer if any(value != "NaN" for _, value in each["values"])]

    def label_values(self, selector: str, label: str) -> set[str]:
        answer = httpx.get(
            f"{self.url}/api/v1/label/{label}/values",
            params={"match[]": selector, "start": self.since, "end": self.until},
        )
        assert answer.status_code == 200, answer.text
        return set(answer.json()["data"])

    def traces(self, query: str) -> set[str]:
        """The traces to which the points of a line lead."""
        answer = httpx.get(
            f"{self.url}/api/v1/query_exemplars",
            params={"query": query, "start": self.since, "end": self.until},
        )
        assert answer.status_code == 200, answer.text
        return {point["labels"]["trace_id"] for each in answer.json()["data"] for point in each["exemplars"]}

    def _get(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"]["result"])


@pytest.fixture(scope="module")
async def observed(
    tmp_path_factory: pytest.TempPathFactory, model_server_running: ModelServer
) -> AsyncIterator[Observed]:
    folder = tmp_path_factory.mktemp("observe")
    ports = {f"runner-{number}": free_port() for number in range(2)}
    own = {name: {"PENSTOCK_RUNNER_HTTP_PORT": str(port)} for name, port in ports.items()}
    model_server_running.on(lambda request: "It is.")
    own["runner-0"]["PENSTOCK_RUNNER_MODELS_FILE"] = str(model_server_running.write_models(folder))
    own["runner-1"]["PENSTOCK_RUNNER_POOL"] = load.FRAIL
    stack = Stack(
        folder=folder,
        agents=(ROOT / "tests/agents_for_tests", load.write_agents(folder / "agents")),
        runners=2,
        notifiers=1,
        extra={
            "PENSTOCK_ORCHESTRATOR_LEASE_S": str(LEASE_S),
            "PENSTOCK_ORCHESTRATOR_MINUTE_PRICE_DOLLARS": "0.1",
            "PENSTOCK_ORCHESTRATOR_DAY_BUDGET_DOLLARS": "1000",
            # A statement that the load breaks may be one of the gauges; they look again before the last scrape.
            "PENSTOCK_ORCHESTRATOR_GAUGES_EVERY_S": "1",
        },
        own={**own, "notifier-0": neighbours.notifier_settings(folder)},
        users={f"runner-{load.FRAIL}": permissions.runner(user=f"runner-{load.FRAIL}", pool=load.FRAIL)},
    )
    prometheus = Prometheus(
        folder=folder / "prometheus",
        log=folder / "logs/prometheus.log",
        port=free_port(),
        rules=RULES,
        every_s=1,
    )
    prometheus.watch(dict(zip(JOBS, (stack.ports, list(ports.values()), stack.notifier_ports), strict=True)))
    async with neighbours.target() as hook:
        with stack:
            prometheus.start()
            try:
                yield await observe(stack, prometheus, hook)
            finally:
                prometheus.stop()


async def observe(stack: Stack, prometheus: Prometheus, hook: str) -> Observed:
    """Two rounds of the load, scraped before, between and after."""
    since = time.time()
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as client:
        api = Api(client)
        await load.define(api, stack, hook=hook)
        for number in range(2):
            await load.run_round(api, stack, number)
            await scraped(prometheus)
    return Observed(url=prometheus.url, since=since, until=time.time())


async def scraped(prometheus: Prometheus) -> None:
    """Every target has been scraped so often since now."""
    query = f'min(count_over_time(up{{job=~"{"|".join(JOBS)}"}}[1h]))'
    async with httpx.AsyncClient(base_url=prometheus.url) as client, asyncio.timeout(30):
        first = None
        while True:
            answer = (await client.get("/api/v1/query", params={"query": query})).json()["data"]["result"]
            seen = int(answer[0]["value"][1]) if answer else 0
            first = seen if first is None else first
            if seen >= first + SCRAPES_AFTER:
                return
            await asyncio.sleep(0.1)
