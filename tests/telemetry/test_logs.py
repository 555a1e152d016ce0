"""Log lines over OTLP: what goes out, what it costs when nobody wants it, and when nobody takes it."""

import json
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import msgspec
import pytest

from agent_runner.logs import Logs
from agent_runner.redaction import Redaction
from penstock.bus.connection import connect
from penstock.bus.publisher import Publisher
from penstock.contracts.messages import StartNode
from penstock.telemetry.log_fields import about, about_attempt
from penstock.telemetry.logs import LineSink, logs_endpoint, open_logs
from penstock_cli.embedded.nats import Nats
from penstock_cli.embedded.ports import free_port
from tests.otlp import Collector
from tests.servers import RUNNER

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RUN = UUID("0199a000-0000-7000-8000-000000000000")
ORDER = StartNode(
    run=RUN,
    node="scan",
    attempt=2,
    project="default",
    workflow="guard",
    agent="scanner",
    input=msgspec.Raw(b"{}"),
    timeout_s=1.0,
    traceparent=f"00-{TRACE}-{SPAN}-03",
)

SERVICE = f"""
import structlog
from penstock.service import set_up_logging
set_up_logging("orchestrator")
log = structlog.get_logger("test")
log.info("orchestrator.started", port=9002, folders=["a", "b"])
try:
    1 / 0
except ZeroDivisionError:
    log.exception("engine.decide_failed", run="r-1", node="scan", attempt=2, trace_id="{TRACE}")
"""


def run_service(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


async def test_a_services_lines_arrive_with_severity_trace_and_fields() -> None:
    with Collector() as collector:
        said = run_service(SERVICE, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url).stderr
        await collector.until(lambda: len(collector.records) == 2)

    started, failed = collector.records
    assert (started.body, started.severity, started.service) == (
        "orchestrator.started",
        "INFO",
        "penstock-orchestrator",
    )
    assert (started.trace, started.attributes["port"], json.loads(started.attributes["folders"])) == (
        "",
        9002,
        ["a", "b"],
    )
    assert (failed.severity, failed.trace) == ("ERROR", TRACE)
    assert {name: failed.attributes[name] for name in ("run", "node", "attempt")} == {
        "run": "r-1",
        "node": "scan",
        "attempt": 2,
    }
    assert "ZeroDivisionError" in failed.attributes["exception"]
    assert [json.loads(line)["event"] for line in said.splitlines()] == [started.body, failed.body]


def test_threads_and_libraries_write_the_same_lines_as_everybody() -> None:
    said = run_service("""
import asyncio, logging, threading
import structlog
from penstock.service import set_up_logging
set_up_logging("notifier")
thread = threading.Thread(target=lambda: structlog.get_logger("test").warning("tracing.export_failing"))
thread.start()
thread.join()
async def forget(): asyncio.create_task(fail()); await asyncio.sleep(0)
async def fail(): raise ValueError("nobody awaits me")
asyncio.run(forget())
logging.getLogger("test").info("of no concern")
""").stderr

    thread, library = map(json.loads, said.splitlines())
    assert (thread["event"], thread["service"]) == ("tracing.export_failing", "notifier")
    assert (library["event"], library["service"], library["level"]) == ("library.said", "notifier", "error")
    assert (library["logger"], library["exception"][0]["exc_type"]) == ("asyncio", "ValueError")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_LOGS_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_off_costs_nothing(environment: dict[str, str]) -> None:
    program = SERVICE + "\nimport sys\nprint([name for name in sys.modules if 'opentelemetry' in name])"

    assert run_service(program, **environment).stdout == "[]\n"


def test_the_endpoint_of_logs_comes_first() -> None:
    every = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}

    assert logs_endpoint(every) == "http://collector:4318/v1/logs"
    assert (
        logs_endpoint({**every, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://loki/otlp"}) == "http://loki/otlp"
    )


def test_a_collector_that_is_away_holds_nobody_up() -> None:
    program = SERVICE + "\nfor n in range(12_000):\n    log.info('many', n=n)"
    began = time.monotonic()

    run_service(program, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")

    assert time.monotonic() - began < 15


async def test_an_agents_line_goes_out_once_redacted_and_with_its_attempt(nats_server: Nats) -> None:
    with Collector() as collector:
        sink = open_logs(
            "agent-runner", instance="r-1", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        )
        assert sink is not None
        await log_line(nats_server, sink, "token=s3cr3t-t0ken fine")
        sink.close()

    (record,) = collector.records
    assert (record.body, record.service) == ("token=[redacted] fine", "penstock-agent-runner")
    assert (record.trace, record.span) == (TRACE, SPAN)
    assert record.attributes == {
        "run": str(RUN),
        "node": "scan",
        "attempt": 2,
        "project": "default",
        "workflow": "guard",
        "agent": "scanner",
        "stream": "stderr",
    }


async def log_line(nats_server: Nats, sink: LineSink, text: str) -> None:
    login = nats_server.login(RUNNER)
    async with connect(url=nats_server.url, user=login.user, password=login.password, name="runner") as bus:
        logs = Logs(Publisher(bus), sink)
        logs.of(ORDER, Redaction(["s3cr3t-t0ken"]))("stderr", text)


def test_a_line_about_an_attempt_names_its_run_node_attempt_and_trace() -> None:
    fields: dict[str, Any] = {"run": str(RUN), "node": "scan", "attempt": 2, "trace_id": TRACE}

    assert about_attempt(ORDER) == fields
    assert about(RUN) == {"run": str(RUN)}
