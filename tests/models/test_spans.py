"""Spans of model calls by the GenAI conventions: below the agent, with what it took, without what was said."""

from collections.abc import Iterator

import msgspec
import pytest

from penstock.telemetry.tracing import Tracing, open_tracing
from tests.model_server import CHAT_MODEL, ModelServer
from tests.models.conftest import Runner, Start
from tests.otlp import Collector

TRACE, AGENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


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


async def test_a_call_is_a_span_below_its_agent(
    started: Start, model_server: ModelServer, collector: Collector, tracing: Tracing
) -> None:
    model_server.on(lambda request: "A secret answer")
    model_server.refuse_key()
    runner: Runner = await started(tracing=tracing)
    runner.order = msgspec.structs.replace(runner.order, traceparent=f"00-{TRACE}-{AGENT}-01")
    attempt = await runner.attempt(1)

    await attempt.chat("A secret question", temperature=0.5)
    await attempt.chat("A secret question", temperature=0.5)
    await (await runner.attempt(2)).chat("A secret question", temperature=0.5)
    await collector.until(lambda: len(collector.spans) == 3)

    failed, answered, replayed = sorted(collector.spans, key=lambda span: span.start)
    assert {(span.name, span.trace, span.parent) for span in collector.spans} == {
        (f"chat {CHAT_MODEL}", TRACE, AGENT)
    }
    assert (
        answered.attributes.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai-compatible",
            "gen_ai.request.model": CHAT_MODEL,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.model": CHAT_MODEL,
            "gen_ai.usage.input_tokens": 4,
            "gen_ai.usage.output_tokens": 3,
            "server.address": "127.0.0.1",
            "penstock.outcome": "answered",
        }.items()
    )
    assert answered.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert failed.attributes["error.type"] == "provider_key_refused"
    assert failed.error is not None
    assert replayed.attributes["penstock.outcome"] == "replayed"
    assert "gen_ai.usage.input_tokens" not in replayed.attributes
    told = str(collector.spans)
    assert "secret" not in told
    assert model_server.key not in told
