"""An alert as a CloudEvent for the orchestrator, which can start workflows; cut rather than lost if it is large."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from notifier.alerts.payload import FIRING, Labels, Status
from penstock.contracts import subjects
from penstock.contracts.limits import INBOUND_EVENT_BYTES_MAX, KIB
from penstock.contracts.value import Value
from penstock.contracts.wire import encode

TYPE = "penstock.alert"  # the orchestrator takes types that begin so from the notifier alone
DATA_BYTES_MAX = INBOUND_EVENT_BYTES_MAX - KIB  # what the attributes may take, left free
SUBJECT_CHARS_MAX = 200
CUT = "… [cut]"

_ANNOTATIONS = ("annotations", "commonAnnotations")
_MAPS = (*_ANNOTATIONS, "labels", "groupLabels", "commonLabels")
_NAMES_MAX = 32  # of each map, when nothing else helps


class Told(Value, frozen=True, kw_only=True):
    """A stored alert with its group: all that its event says."""

    id: int
    key: str
    project: str
    source: str
    name: str
    status: Status
    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None
    labels: Labels
    annotations: Labels
    generator_url: str
    group_key: str
    receiver: str
    external_url: str
    group_labels: Labels
    common_labels: Labels
    common_annotations: Labels
    traceparent: str | None = None


def message_of(told: Told) -> tuple[str, bytes]:
    """Subject and payload for the bus. The id is the same whenever and by whomever it is published."""
    type_ = f"{TYPE}.{told.status}"
    happened_at = told.starts_at if told.status == FIRING else told.ends_at
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": told.key,
        "source": f"/alertmanagers/{told.source}",
        "type": type_,
        "time": happened_at or told.starts_at,
        "datacontenttype": "application/json",
        "data": fit(_data(told)),
    }
    if subject := _printable(told.name):
        event["subject"] = subject
    if told.traceparent is not None:
        event["traceparent"] = told.traceparent
    return subjects.inbound(told.project, type_), encode(event)


def fit(data: dict[str, Any], *, bytes_max: int = DATA_BYTES_MAX) -> dict[str, Any]:
    """`data`, with texts cut until it fits: annotations first, what identifies the alert last."""
    if len(encode(data)) <= bytes_max:
        return data
    for smaller in _ever_smaller(data):
        if len(encode(smaller)) <= bytes_max:
            return smaller
    raise AssertionError("32 names and texts of 64 characters in five maps fit into 240 KiB")


def _data(told: Told) -> dict[str, Any]:
    return {
        "status": told.status,
        "labels": told.labels,
        "annotations": told.annotations,
        "startsAt": told.starts_at,
        "endsAt": told.ends_at or "0001-01-01T00:00:00Z",  # as Alertmanager says that there is no end yet
        "generatorURL": told.generator_url,
        "fingerprint": told.fingerprint,
        "groupKey": told.group_key,
        "receiver": told.receiver,
        "externalURL": told.external_url,
        "groupLabels": told.group_labels,
        "commonLabels": told.common_labels,
        "commonAnnotations": told.common_annotations,
    }


def _ever_smaller(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for chars in (16_384, 4_096, 1_024, 256):
        yield data | {name: _cut_values(data[name], chars) for name in _ANNOTATIONS}
    for chars in (4_096, 1_024, 256, 64):
        texts = {name: _cut(text, chars) for name, text in data.items() if isinstance(text, str)}
        yield data | texts | {name: _cut_values(data[name], chars) for name in _MAPS}
    yield data | texts | {name: _few(data[name], 64) for name in _MAPS}


def _cut_values(labels: Labels, chars: int) -> Labels:
    return {name: _cut(value, chars) for name, value in labels.items()}


def _few(labels: Labels, chars: int) -> Labels:
    """The alert's name stays, whatever else there is."""
    first = sorted(labels.items(), key=lambda label: label[0] != "alertname")[:_NAMES_MAX]
    return {_cut(name, chars): _cut(value, chars) for name, value in first}


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - len(CUT)] + CUT


def _printable(name: str) -> str:
    """A subject has no control characters."""
    return "".join(char for char in name[:SUBJECT_CHARS_MAX] if char >= " " and not "\x7f" <= char <= "\x9f")
