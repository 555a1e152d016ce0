"""Log lines of a service and of its agents, also sent over OTLP where OpenTelemetry's variables say so.

    OTEL_EXPORTER_OTLP_ENDPOINT        the collector; OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, complete, comes first
    OTEL_LOGS_EXPORTER=none            not the logs
    OTEL_SDK_DISABLED=true             nothing at all

Off (the default) OpenTelemetry is not even imported. What goes to stderr is the same either way.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from penstock.contracts.value import Value

LOGS_PATH = "/v1/logs"

_OWN = frozenset(("event", "level", "timestamp", "service", "trace_id"))  # they have places of their own


class Line(Value, frozen=True):
    """One log line. `fields` are what JSON can hold; `span_id` may be empty where a trace is named."""

    at: datetime
    level: str
    text: str
    fields: Mapping[str, Any]
    trace_id: str = ""
    span_id: str = ""


class LineSink(Protocol):
    """Takes lines from any thread. Never blocks and never raises: what cannot be sent is lost."""

    def put(self, line: Line) -> None: ...

    def close(self) -> None:
        """Send what there is, within a few seconds."""
        ...


def logs_endpoint(environment: Mapping[str, str]) -> str | None:
    """Where log lines go; None: nowhere."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or environment.get("OTEL_LOGS_EXPORTER", "otlp").strip() != "otlp":
        return None
    if own := environment.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"):
        return own
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return base.rstrip("/") + LOGS_PATH if base else None


def open_logs(service: str, *, instance: str, environment: Mapping[str, str]) -> LineSink | None:
    """A running export, or None when nobody wants one."""
    endpoint = logs_endpoint(environment)
    if endpoint is None:
        return None
    from penstock.telemetry.log_export import open_log_export  # it costs 0.3 s and 20 MB

    return open_log_export(endpoint, service=service, instance=instance)


class LinesOfLibraries(logging.Handler):
    """What libraries say through Python's own logging, in the form and on the ways of our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        log.log(
            record.levelno,
            "library.said",
            logger=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )


class Forwarding:
    """A processor of structlog: gives each line to the sink too, before it becomes JSON."""

    def __init__(self, sink: LineSink) -> None:
        self._sink = sink

    def __call__(self, logger: Any, method: str, event: Any) -> Any:
        line = Line(
            at=datetime.now(UTC),
            level=str(event.get("level", method)),
            text=str(event.get("event", "")),
            fields={name: value for name, value in event.items() if name not in _OWN},
            trace_id=str(event.get("trace_id", "")),
        )
        self._sink.put(line)
        return event
