"""Traces, as services use them: `open_tracing` in main, then `begin` a span and `emit` it when it has ended.

    own = tracing.begin(event.traceparent)       # send it along: the header `traceparent`, `TRACEPARENT`
    …
    tracing.emit("deliver webhook", own=own, parent=event.traceparent, start=start, end=end, error=None)

Off (the default) `begin` hands on what it was given and `emit` returns at once; OpenTelemetry is not even imported.
The settings are OpenTelemetry's own variables; docs/guides/tracing.md says which.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from penstock.contracts.value import Value
from penstock.telemetry.sampling import Sampler
from penstock.telemetry.span import Attribute, Span, SpanKind
from penstock.telemetry.traceparent import is_sampled, new_span_id, new_trace, parse_traceparent

RATIO_DEFAULT = 0.1  # of new traces: each shows what a run is like, and tracing all would cost a third
PER_SECOND_MAX_DEFAULT = 5.0  # traces that begin in one process; more would not show more, and cost

EXPORT_EVERY_S = 1.0  # who looks at a trace looks later

_NO_ATTRIBUTES: Mapping[str, Attribute] = {}


class WrongTracing(ValueError):
    """A variable of OpenTelemetry has a value that we cannot follow. Its message names it."""


class Sink(Protocol):
    """Where finished spans go. Never blocks, never raises."""

    def put(self, spans: Sequence[Span]) -> None: ...

    def close(self) -> None:
        """Send what is there, within a few seconds."""


class TracingSettings(Value, frozen=True):
    """`ratio`: how many of the traces that begin here are sampled, `per_second_max`: and how many at most; of one
    that began elsewhere it was decided there."""

    endpoint: str  # complete, with /v1/traces
    ratio: float = RATIO_DEFAULT
    per_second_max: float | None = PER_SECOND_MAX_DEFAULT
    every_s: float = EXPORT_EVERY_S


class Tracing:
    """What a service needs to take part in traces. Without a sink it is off."""

    def __init__(self, sink: Sink | None = None, *, sample: Callable[[], bool] | None = None) -> None:
        self._sink = sink
        self._sample = sample or Sampler(RATIO_DEFAULT, per_second_max=PER_SECOND_MAX_DEFAULT)
        self.is_on = sink is not None

    def begin(self, parent: str | None) -> str | None:
        """The traceparent of a new span below `parent`, or of a new trace.

        Off, or where nobody samples the trace, it is `parent` untouched: there will be no such span.
        """
        if self._sink is None:
            return parent
        above = parse_traceparent(parent)
        if above is None:
            return self.root()
        return str(above.child(new_span_id())) if above.is_sampled else parent

    def root(self) -> str | None:
        """The traceparent of a new trace, sampled by the ratio; None when off."""
        if self._sink is None:
            return None
        return str(new_trace(sampled=self._sample()))

    def emit(
        self,
        name: str,
        *,
        own: str | None,
        parent: str | None,
        start: datetime,
        end: datetime,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Attribute] = _NO_ATTRIBUTES,
        error: str | None = None,
    ) -> None:
        """A span has ended. `own` is what `begin(parent)` gave."""
        if self._sink is None or not is_sampled(own):
            return
        context, above = parse_traceparent(own), parse_traceparent(parent)
        if context is None:
            return
        above_id = above.span_id if above is not None else None
        span = Span(name, context, above_id, start, end, kind, attributes, error=error)
        self._sink.put([span])

    def emit_all(self, spans: Sequence[Span]) -> None:
        """Spans of sampled traces that somebody has put together."""
        if self._sink is not None:
            self._sink.put(spans)

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()


OFF = Tracing()


def open_tracing(service: str, *, instance: str, environment: Mapping[str, str]) -> Tracing:
    """Traces as the environment wants them. Raises WrongTracing."""
    settings = tracing_settings(environment)
    if settings is None:
        return OFF
    from penstock.telemetry.span_export import open_sink  # costs 20 MB: only those who want traces pay

    sample = Sampler(settings.ratio, per_second_max=settings.per_second_max)
    return Tracing(open_sink(settings, service=service, instance=instance), sample=sample)


def tracing_settings(environment: Mapping[str, str]) -> TracingSettings | None:
    """None: no traces are wanted. Raises WrongTracing."""
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    everything = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not endpoint and everything:
        endpoint = everything.rstrip("/") + "/v1/traces"
    exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    if not endpoint or exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter != "otlp":
        raise WrongTracing(f"OTEL_TRACES_EXPORTER: expected otlp or none (given: {exporter!r})")
    if not endpoint.startswith(("http://", "https://")):
        raise WrongTracing(f"OTEL_EXPORTER_OTLP_ENDPOINT: expected http(s)://… (given: {endpoint!r})")
    _expect_http(environment)
    chosen = environment.get("OTEL_TRACES_SAMPLER") or environment.get("OTEL_TRACES_SAMPLER_ARG")
    limit = None if chosen else PER_SECOND_MAX_DEFAULT  # whoever names a share gets it
    return TracingSettings(endpoint, _ratio(environment), limit, _every_s(environment))


def _expect_http(environment: Mapping[str, str]) -> None:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environment.get(name, "http/protobuf") not in ("http/protobuf", ""):
            raise WrongTracing(f"{name}: expected http/protobuf (given: {environment[name]!r})")


def _ratio(environment: Mapping[str, str]) -> float:
    """Always parent-based: a trace of which only parts are kept explains nothing."""
    sampler = environment.get("OTEL_TRACES_SAMPLER") or "parentbased_traceidratio"
    fixed = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}
    kind = sampler.removeprefix("parentbased_")
    if kind not in fixed:
        expected = ", ".join(f"parentbased_{name}" for name in fixed)
        raise WrongTracing(f"OTEL_TRACES_SAMPLER: expected one of {expected} (given: {sampler!r})")
    ratio = fixed[kind]
    return _given_ratio(environment.get("OTEL_TRACES_SAMPLER_ARG", "")) if ratio is None else ratio


def _every_s(environment: Mapping[str, str]) -> float:
    given = environment.get("OTEL_BSP_SCHEDULE_DELAY") or ""
    if given and not given.isdecimal():
        raise WrongTracing(f"OTEL_BSP_SCHEDULE_DELAY: expected milliseconds (given: {given!r})")
    return int(given) / 1_000 if given else EXPORT_EVERY_S


def _given_ratio(text: str) -> float:
    try:
        ratio = float(text or RATIO_DEFAULT)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise WrongTracing(f"OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1 (given: {text!r})")
    return ratio
