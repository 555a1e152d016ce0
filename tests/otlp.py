"""A collector for tests: takes spans and log records over real OTLP (HTTP, protobuf), and keeps them in memory."""

import asyncio
import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ARRIVES_S_MAX = 20.0
POLL_S = 0.02  # how soon it notices that it shall stop


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it was sent. Ids are hex, moments nanoseconds; `parent` is empty at the root."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    kind: str
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]  # (trace, span)
    error: str | None

    def __getitem__(self, attribute: str) -> Any:
        return self.attributes[f"penstock.{attribute}"]


@dataclass(frozen=True)
class CollectedRecord:
    """A log record as it was sent."""

    body: Any
    service: str
    severity: str
    trace: str
    span: str
    attributes: dict[str, Any]


@dataclass
class Collector:
    """Used as a context: `url` is what OTEL_EXPORTER_OTLP_ENDPOINT is set to."""

    spans: list[CollectedSpan] = field(default_factory=list)
    records: list[CollectedRecord] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> "Collector":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def of_trace(self, trace: str) -> list[CollectedSpan]:
        with self._changed:
            return [span for span in self.spans if span.trace == trace]

    def of_run(self, run: str) -> list[CollectedSpan]:
        """Spans that name the run."""
        with self._changed:
            return [span for span in self.spans if span.attributes.get("penstock.run") == run]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is asked whenever something has come."""
        assert await asyncio.to_thread(self._wait, condition), [span.name for span in self.spans]

    def _wait(self, condition: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, ARRIVES_S_MAX)

    def take(self, path: str, body: bytes) -> bool:
        """Whether there is such a path."""
        if path == "/v1/traces":
            spans = _spans_of(ExportTraceServiceRequest.FromString(body))
            with self._changed:
                self.spans.extend(spans)
                self._changed.notify_all()
        elif path == "/v1/logs":
            records = _records_of(ExportLogsServiceRequest.FromString(body))
            with self._changed:
                self.records.extend(records)
                self._changed.notify_all()
        else:
            return False
        return True


def _handler_of(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status = 200 if collector.take(self.path, body) else 404
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _spans_of(request: Any) -> list[CollectedSpan]:
    return [
        CollectedSpan(
            name=span.name,
            service=_attributes(part.resource)["service.name"],
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            attributes=_attributes(span),
            links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
            error=span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
        )
        for part in request.resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


def _records_of(request: Any) -> list[CollectedRecord]:
    return [
        CollectedRecord(
            body=_value(record.body),
            service=_attributes(part.resource)["service.name"],
            severity=record.severity_text,
            trace=record.trace_id.hex(),
            span=record.span_id.hex(),
            attributes=_attributes(record),
        )
        for part in request.resource_logs
        for scope in part.scope_logs
        for record in scope.log_records
    ]


def _attributes(of: Any) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in of.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {entry.key: _value(entry.value) for entry in value.kvlist_value.values}
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
