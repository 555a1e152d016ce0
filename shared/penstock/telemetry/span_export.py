"""Spans out, over OTLP: gathered in memory, turned into OpenTelemetry's and sent by a thread of their own.

The only module that imports OpenTelemetry; `tracing.open_tracing` imports it when traces are wanted.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from penstock.telemetry import metrics
from penstock.telemetry.span import Span
from penstock.telemetry.traceparent import TraceParent
from penstock.telemetry.tracing import TracingSettings

SPANS_PER_EXPORT_MAX = 512  # the batch of OpenTelemetry's own processor
SPANS_WAITING_MAX = 20_000  # about 20 MB; what comes while the collector is away beyond that is dropped
CLOSE_S_MAX = 2.0  # a collector that is away does not hold up a stop
ABORT_S_MAX = 1.0
NANOSECONDS = 1_000_000_000

_VERSION = version("penstock")
_SCOPE = InstrumentationScope("penstock", _VERSION)
_FINE = Status(StatusCode.UNSET)

log = structlog.get_logger(__name__)


def open_sink(settings: TracingSettings, *, service: str, instance: str) -> "SpanExport":
    """A running export. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES add to what is known of the service."""
    own = {
        "service.name": f"penstock-{service}",
        "service.version": _VERSION,
        "service.instance.id": instance,
    }
    resource = Resource.create(own).merge(OTELResourceDetector().detect())
    export = SpanExport(OTLPSpanExporter(endpoint=settings.endpoint), resource, every_s=settings.every_s)
    export.start()
    return export


class SpanExport:
    """Sends what it is given, in lists; counts what it could not send."""

    def __init__(self, exporter: SpanExporter, resource: Resource, *, every_s: float) -> None:
        self._exporter = exporter
        self._resource = resource
        self._every_s = every_s
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self._is_failing = False
        self._said = _Said()
        self._thread = threading.Thread(target=self._run, name="span-export", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, spans: Sequence[Span]) -> None:
        room = SPANS_WAITING_MAX - len(self._waiting)
        self._waiting.extend(spans[: max(room, 0)])
        if room < len(spans):
            metrics.SPANS.labels("dropped").inc(len(spans) - max(room, 0))
        if len(self._waiting) >= SPANS_PER_EXPORT_MAX:
            self._wake.set()

    def close(self) -> None:
        self._is_closing = True
        self._wake.set()
        self._thread.join(CLOSE_S_MAX)
        self._exporter.shutdown()  # ends the tries of a thread that is still at it
        self._thread.join(ABORT_S_MAX)

    def _run(self) -> None:
        while not self._is_closing:
            self._wake.wait(self._every_s)
            self._wake.clear()
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), SPANS_PER_EXPORT_MAX)
            self._send([self._waiting.popleft() for _ in range(count)])

    def _send(self, spans: list[Span]) -> None:
        self._said.first = ""
        try:
            sent = self._exporter.export([self._readable(span) for span in spans])
        except Exception as error:
            self._said.first, sent = repr(error), SpanExportResult.FAILURE
        is_sent = sent is SpanExportResult.SUCCESS
        metrics.SPANS.labels("exported" if is_sent else "lost").inc(len(spans))
        if is_sent == self._is_failing:  # told once, whichever way it changes
            self._is_failing = not is_sent
            event = "tracing.export_failing" if self._is_failing else "tracing.export_works"
            log.warning(event, reason=self._said.first)

    def _readable(self, span: Span) -> ReadableSpan:
        own = _context(span.own)
        return ReadableSpan(
            name=span.name,
            context=own,
            parent=None if span.parent is None else _context(span.own.child(span.parent)),
            resource=self._resource,
            attributes=dict(span.attributes),
            links=[Link(_context(link)) for link in span.links],
            kind=SpanKind[span.kind.value],
            status=_FINE if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=_SCOPE,
        )


class _Said(logging.Handler):
    """Hears what the exporter would say on stderr at each of its tries; the first is the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""
        exporter = logging.getLogger(OTLPSpanExporter.__module__)
        exporter.handlers = [self]
        exporter.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


def _context(of: TraceParent) -> SpanContext:
    return SpanContext(
        int(of.trace_id, 16), int(of.span_id, 16), is_remote=False, trace_flags=TraceFlags(of.flags)
    )


def _nanoseconds(moment: datetime) -> int:
    """Whole microseconds, as the database has them; a float would lose the last digits."""
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NANOSECONDS + moment.microsecond * 1_000
