"""Log lines out, over OTLP: kept in memory, turned into OpenTelemetry's records and sent by a thread of their own.

Imported only where log lines are wanted. A collector that is away costs the oldest lines, and nobody a moment.
"""

import atexit
import logging
import re
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import msgspec
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from penstock.telemetry.logs import Line

LINES_WAITING_MAX = 10_000  # about 10 MB of usual lines, 160 MB of the longest that agents may write
LINES_PER_EXPORT_MAX = 512
EXPORT_EVERY_S = 1.0
CLOSE_S_MAX = 2.0  # a collector that is away does not hold up a stop
ABORT_S_MAX = 0.5
NANOSECONDS = 1_000_000_000

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_VERSION = version("penstock")
_SCOPE = InstrumentationScope("penstock", _VERSION)
_NO_CONTEXT = Context()


def open_log_export(endpoint: str, *, service: str, instance: str) -> "LogExport":
    """A running export that ends with the process. OTEL_RESOURCE_ATTRIBUTES add to what is known of the service."""
    own = {
        "service.name": f"penstock-{service}",
        "service.version": _VERSION,
        "service.instance.id": instance,
    }
    resource = Resource.create(own).merge(OTELResourceDetector().detect())
    export = LogExport(OTLPLogExporter(endpoint=endpoint), resource)
    export.start()
    atexit.register(export.close)
    return export


class LogExport:
    """Sends what it is given, in lists (`LineSink`)."""

    def __init__(self, exporter: OTLPLogExporter, resource: Resource) -> None:
        self._exporter = exporter
        self._resource = resource
        self._waiting: deque[Line] = deque(maxlen=LINES_WAITING_MAX)
        self._wake = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="log-export", daemon=True)
        # It would say at each try that it failed, into the log that it cannot send.
        logging.getLogger(OTLPLogExporter.__module__).setLevel(logging.CRITICAL)

    def start(self) -> None:
        self._thread.start()

    def put(self, line: Line) -> None:
        self._waiting.append(line)
        if len(self._waiting) >= LINES_PER_EXPORT_MAX:
            self._wake.set()

    def close(self) -> None:
        self._is_closing = True
        self._wake.set()
        self._thread.join(CLOSE_S_MAX)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # ends the tries of a thread that is still at it
        self._thread.join(ABORT_S_MAX)

    def _run(self) -> None:
        while not self._is_closing:
            self._wake.wait(EXPORT_EVERY_S)
            self._wake.clear()
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), LINES_PER_EXPORT_MAX)
            if not self._send([self._waiting.popleft() for _ in range(count)]):
                return  # the collector is away: the next round tries again, with what is there then

    def _send(self, lines: Sequence[Line]) -> bool:
        try:
            sent = self._exporter.export([self._record(line) for line in lines])
        except Exception:  # a line that cannot be sent must not end the sending of all others
            return True
        return sent is LogRecordExportResult.SUCCESS

    def _record(self, line: Line) -> ReadableLogRecord:
        record = LogRecord(
            timestamp=_nanoseconds(line.at),
            observed_timestamp=_nanoseconds(line.at),
            context=_context(line),
            severity_text=line.level.upper(),
            severity_number=_SEVERITIES.get(line.level, SeverityNumber.UNSPECIFIED),
            body=line.text,
            attributes={name: _attribute(value) for name, value in line.fields.items() if value is not None},
        )
        return ReadableLogRecord(record, self._resource, instrumentation_scope=_SCOPE)


def _context(line: Line) -> Context:
    if not _TRACE_ID.fullmatch(line.trace_id):
        return _NO_CONTEXT
    span_id = int(line.span_id, 16) if _SPAN_ID.fullmatch(line.span_id) else 0
    span = NonRecordingSpan(SpanContext(int(line.trace_id, 16), span_id, is_remote=False))
    return set_span_in_context(span, _NO_CONTEXT)


def _attribute(value: Any) -> str | int | float | bool:
    """Plain values as they are; anything else as JSON, like in the log on stderr."""
    if isinstance(value, str | int | float):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * NANOSECONDS + moment.microsecond * 1_000
