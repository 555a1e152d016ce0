"""Traces without a run: the header, the settings, and what becomes of spans when the collector is away."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from penstock.telemetry import metrics
from penstock.telemetry.exporters import SERVICES, exporters_of
from penstock.telemetry.traceparent import (
    derived_span_id,
    is_sampled,
    new_trace,
    parse_traceparent,
    trace_id_of,
)
from penstock.telemetry.tracing import OFF, Tracing, WrongTracing, open_tracing, tracing_settings
from penstock_cli.embedded.ports import free_port
from tests.otlp import Collector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HERE = "http://127.0.0.1:4318"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("flags", "sampled"),
    [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True), ("fe", False)],
)
def test_only_the_sampled_bit_says_whether_a_trace_is_sampled(flags: str, sampled: bool) -> None:
    header = f"00-{TRACE}-{SPAN}-{flags}"

    parsed = parse_traceparent(header)

    assert parsed is not None
    assert (parsed.is_sampled, is_sampled(header), str(parsed)) == (sampled, sampled, header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_a_header_that_is_not_well_formed_is_none(header: str) -> None:
    assert parse_traceparent(header) is None


def test_a_new_trace_is_random_and_says_so() -> None:
    first, second = new_trace(sampled=True), new_trace(sampled=False)

    assert first.trace_id != second.trace_id
    assert (first.flags, second.flags) == (3, 2)
    assert parse_traceparent(str(first)) == first
    assert trace_id_of(str(first)) == first.trace_id


def test_a_derived_id_depends_on_every_part_and_on_nothing_else() -> None:
    assert derived_span_id("run", 1) == derived_span_id("run", 1) != derived_span_id("run", 2)
    assert parse_traceparent(f"00-{TRACE}-{derived_span_id('run', 1)}-01") is not None


def test_off_hands_on_what_it_was_given() -> None:
    header = f"00-{TRACE}-{SPAN}-01"

    assert (OFF.begin(header), OFF.begin(None), OFF.root(), OFF.is_on) == (header, None, None, False)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_traces_are_off_unless_somebody_wants_them(environment: dict[str, str]) -> None:
    assert tracing_settings(environment) is None


@pytest.mark.parametrize(
    ("environment", "endpoint", "ratio"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE + "/"}, HERE + "/v1/traces", 0.1),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": HERE + "/mine"}, HERE + "/mine", 0.1),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_SAMPLER_ARG": "0.5"}, HERE + "/v1/traces", 0.5),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_SAMPLER": "parentbased_always_on"},
            HERE + "/v1/traces",
            1.0,
        ),
    ],
)
def test_the_settings_are_those_of_opentelemetry(
    environment: dict[str, str], endpoint: str, ratio: float
) -> None:
    settings = tracing_settings(environment)

    assert settings is not None
    assert (settings.endpoint, settings.ratio) == (endpoint, ratio)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_SAMPLER_ARG", "often"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1s"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_was_given(name: str, value: str) -> None:
    with pytest.raises(WrongTracing) as refused:
        tracing_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, name: value})

    assert str(refused.value).startswith(f"{name}: expected ")
    assert value in str(refused.value)


async def test_a_span_arrives_as_it_was_told() -> None:
    with Collector() as collector:
        tracing = _opened(collector.url)
        own = tracing.begin(f"00-{TRACE}-{SPAN}-01")

        tracing.emit(
            "deliver webhook",
            own=own,
            parent=f"00-{TRACE}-{SPAN}-01",
            start=NOON,
            end=NOON + timedelta(microseconds=7),
            attributes={"penstock.channel": "ops"},
            error="it broke",
        )
        tracing.close()

    (span,) = collector.spans
    assert own is not None
    assert (span.name, span.trace, span.parent, span.id) == ("deliver webhook", TRACE, SPAN, own[36:52])
    assert (span.end - span.start, span["channel"], span.error) == (7_000, "ops", "it broke")
    assert (span.service, span.kind) == ("penstock-notifier", "INTERNAL")


def test_what_nobody_samples_is_not_sent() -> None:
    with Collector() as collector:
        tracing = _opened(collector.url)
        own = tracing.begin(f"00-{TRACE}-{SPAN}-02")

        tracing.emit("silent", own=own, parent=None, start=NOON, end=NOON)
        tracing.close()

    assert collector.spans == []


def test_a_collector_that_is_away_holds_nobody_up_and_the_loss_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    lost = metrics.SPANS.labels("lost")
    before, began = lost._value.get(), time.monotonic()
    tracing = _opened(f"http://127.0.0.1:{free_port()}")

    tracing.emit("lost", own=f"00-{TRACE}-{SPAN}-01", parent=None, start=NOON, end=NOON)
    tracing.close()

    assert time.monotonic() - began < 8
    assert lost._value.get() == before + 1


def test_every_service_shows_what_became_of_its_spans() -> None:
    assert set(exporters_of("SPANS")) == set(SERVICES)


def test_off_imports_nothing_that_makes_or_sends_spans() -> None:
    program = """
import sys, orchestrator.main, agent_runner.main, notifier.main
from penstock.service import tracing_of
assert not tracing_of("tested").is_on
sys.exit(any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in sys.modules))
"""

    assert subprocess.run([sys.executable, "-c", program], env={}, check=False).returncode == 0


def _opened(url: str) -> Tracing:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "10"}
    return open_tracing("notifier", instance="one", environment=environment)
