"""A span, finished: what happened from when to when, below what, in which trace."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from penstock.contracts.value import Value
from penstock.telemetry.traceparent import TraceParent

Attribute: TypeAlias = str | int | float | bool | tuple[str, ...]


class SpanKind(StrEnum):
    """What OpenTelemetry calls it; the values are the names of its enumeration."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Span(Value, frozen=True):
    """`own` names the span, `parent` the span above it, or None at the root. `error`: why it failed.

    `links` name spans that this one goes on from: the attempt before, the run that it is a fork of.
    """

    name: str
    own: TraceParent
    parent: str | None
    start: datetime
    end: datetime
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Attribute] = {}
    links: tuple[TraceParent, ...] = ()
    error: str | None = None
