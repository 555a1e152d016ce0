"""The runner's spans of attempts that do not end well: why, and without what nobody may read."""

from collections.abc import Iterator

import pytest

from penstock.telemetry.tracing import Tracing, open_tracing
from tests.otlp import Collector
from tests.runner.conftest import Agents, Start
from tests.runner.peer import Peer

pytestmark = pytest.mark.sandbox

TRACE, ATTEMPT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{ATTEMPT}-01"
SLEEP = "import time; time.sleep(600)"
LEAKS = """
    import os, sys
    from penstock.agents import context
    print(context.secret("token"), file=sys.stderr)
    sys.exit(3)
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def tracing(collector: Collector) -> Iterator[Tracing]:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "10"}
    opened = open_tracing("agent-runner", instance="tested", environment=environment)
    yield opened
    opened.close()


async def test_an_attempt_whose_lease_is_lost_says_so(
    start: Start, peer: Peer, agents: Agents, tracing: Tracing, collector: Collector
) -> None:
    agents.add("sleep", SLEEP)
    peer.lease_s = 1.5
    await start(tracing=tracing)
    order = await peer.order("sleep", traceparent=SAMPLED)

    peer.lost.add(await peer.claimed(order))
    await collector.until(lambda: len(collector.spans) == 1)

    (span,) = collector.spans
    assert (span.name, span.trace, span.parent) == ("agent sleep", TRACE, ATTEMPT)
    assert span.error is not None
    assert "lease was lost" in span.error


async def test_a_failure_in_a_span_is_redacted(
    start: Start, peer: Peer, agents: Agents, tracing: Tracing, collector: Collector
) -> None:
    agents.add("leaks", LEAKS, secrets=("token",))
    await start(tracing=tracing, secrets={"default": {"token": "very-secret-indeed"}})

    await peer.result_of(await peer.order("leaks", traceparent=SAMPLED))
    await collector.until(lambda: any(span.name == "agent leaks" for span in collector.spans))

    (span,) = [span for span in collector.spans if span.name == "agent leaks"]
    assert span.error is not None
    assert "exit code 3" in span.error
    assert "very-secret-indeed" not in str(collector.spans)
    assert {each.name for each in collector.spans} == {"agent leaks", "sandbox start", "GET /secrets/{name}"}


async def test_what_nobody_traces_runs_without_a_span_and_without_the_variable(
    start: Start, peer: Peer, agents: Agents, tracing: Tracing, collector: Collector
) -> None:
    agents.add("tells", "import json, os; print(json.dumps(os.environ.get('TRACEPARENT')))")
    await start(tracing=tracing)

    untraced = await peer.result_of(await peer.order("tells"))
    traced = await peer.result_of(await peer.order("tells", traceparent=SAMPLED))
    await collector.until(lambda: any(span.name == "agent tells" for span in collector.spans))

    (span,) = [span for span in collector.spans if span.name == "agent tells"]
    assert (bytes(untraced.output), bytes(traced.output)) == (b"null", f'"00-{TRACE}-{span.id}-01"'.encode())
