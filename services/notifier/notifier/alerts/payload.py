"""Alertmanager's webhook, version 4: what is sent, checked; what newer versions add is ignored.

Source: Alertmanager's documentation of `webhook_config`, and its Go types (nil maps and lists are sent as null).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from penstock.contracts.errors import InvalidInput, LimitExceeded, Problem
from penstock.contracts.limits import MIB
from penstock.contracts.value import Value
from penstock.http.problems import Malformed

PAYLOAD_BYTES_MAX = 4 * MIB  # 500 alerts with 8 KiB each
ALERTS_MAX = 10_000  # one statement stores them; an Alertmanager that has more has `max_alerts`
FINGERPRINT_CHARS_MAX = 256  # Alertmanager's have 16; it is in an index
PROBLEMS_MAX = 50  # nobody reads more

Status = Literal["firing", "resolved"]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Labels = dict[str, str]
Fingerprint = Annotated[str, msgspec.Meta(min_length=1, max_length=FINGERPRINT_CHARS_MAX)]

FIRING: Status = "firing"
RESOLVED: Status = "resolved"

_NOT_YET = datetime(1970, 1, 1, tzinfo=UTC)  # Go's zero time is in the year 1: no end
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL has no U+0000, UTF-8 no halves of characters


class SentAlert(msgspec.Struct, frozen=True):
    """One alert of a webhook, as it is sent."""

    status: Status
    labels: Labels
    startsAt: Moment
    fingerprint: Fingerprint
    endsAt: Moment | None = None
    annotations: Labels | None = None
    generatorURL: str | None = None


class SentGroup(msgspec.Struct, frozen=True):
    """A webhook, as it is sent. Unknown fields are ignored, everywhere."""

    version: Literal["4"]
    groupKey: str
    status: Status
    alerts: list[SentAlert] | None
    receiver: str | None = None
    truncatedAlerts: Annotated[int, msgspec.Meta(ge=0)] | None = None
    groupLabels: Labels | None = None
    commonLabels: Labels | None = None
    commonAnnotations: Labels | None = None
    externalURL: str | None = None


class Alert(Value, frozen=True, kw_only=True):
    """One alert; moments are UTC, and `ends_at` is None where there is no end yet."""

    status: Status
    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None
    labels: Labels
    annotations: Labels
    generator_url: str

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")


class Group(Value, frozen=True, kw_only=True):
    """What one webhook tells: alerts, and what they have in common."""

    group_key: str
    receiver: str
    external_url: str
    group_labels: Labels
    common_labels: Labels
    common_annotations: Labels
    truncated_alerts: int
    alerts: tuple[Alert, ...] = ()
    traceparent: str | None = None  # of the webhook


_decoder = msgspec.json.Decoder(SentGroup)


def read_group(body: bytes) -> Group:
    """Raises Malformed for what is no JSON, InvalidInput with every problem and its path."""
    try:
        sent = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _why(body, error) from error
    alerts = sent.alerts or []
    if len(alerts) > ALERTS_MAX:
        message = (
            f"{len(alerts)} alerts; at most {ALERTS_MAX} may be sent at once (max_alerts of the receiver)"
        )
        raise LimitExceeded(f"the group has {message}", (Problem(path="alerts", message=message),))
    return Group(
        group_key=_text(sent.groupKey),
        receiver=_text(sent.receiver),
        external_url=_text(sent.externalURL),
        group_labels=_labels(sent.groupLabels),
        common_labels=_labels(sent.commonLabels),
        common_annotations=_labels(sent.commonAnnotations),
        truncated_alerts=min(sent.truncatedAlerts or 0, 2**31 - 1),
        alerts=tuple(_alert(alert, at=f"alerts[{index}]") for index, alert in enumerate(alerts)),
    )


def _alert(sent: SentAlert, *, at: str) -> Alert:
    ends_at = None if sent.endsAt is None or sent.status == FIRING else _utc(sent.endsAt, at=f"{at}.endsAt")
    return Alert(
        status=sent.status,
        fingerprint=_text(sent.fingerprint),
        starts_at=_utc(sent.startsAt, at=f"{at}.startsAt"),
        ends_at=None if ends_at is None or ends_at < _NOT_YET else ends_at,
        labels=_labels(sent.labels),
        annotations=_labels(sent.annotations),
        generator_url=_text(sent.generatorURL),
    )


def _utc(moment: datetime, *, at: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput.at(at, f"expected a moment from the year 1 to 9999, got {moment}") from error


def _text(text: str | None) -> str:
    return _UNSTORABLE.sub("\ufffd", text or "")


def _labels(labels: Labels | None) -> Labels:
    return {_text(name): _text(value) for name, value in (labels or {}).items()}


def _why(body: bytes, error: Exception) -> Malformed | InvalidInput:
    """The slow way, taken only for a webhook that is wrong: look at each field by itself."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as malformed:
        return Malformed(f"the body is not JSON: {malformed}")
    problems: list[Problem] = []
    for problem in _problems_of(document):
        problems.append(problem)
        if len(problems) == PROBLEMS_MAX:
            break
    problems = problems or [Problem(path="", message=_sentence(error))]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    first = f"{problems[0].path}: {problems[0].message}" if problems[0].path else problems[0].message
    return InvalidInput(f"this is no webhook of Alertmanager, version 4: {first}{more}", tuple(problems))


def _problems_of(document: Any) -> Iterator[Problem]:
    if not isinstance(document, dict):
        yield Problem(path="", message="expected an object")
        return
    yield from _wrong_fields(document, SentGroup, at="", leaving=("alerts",))
    alerts = document.get("alerts")
    if alerts is not None and not isinstance(alerts, list):
        yield Problem(path="alerts", message="expected a list")
        return
    for index, alert in enumerate(alerts or []):
        if isinstance(alert, dict):
            yield from _wrong_fields(alert, SentAlert, at=f"alerts[{index}].")
        else:
            yield Problem(path=f"alerts[{index}]", message="expected an object")


def _wrong_fields(
    document: dict[str, Any], kind: type[msgspec.Struct], *, at: str, leaving: tuple[str, ...] = ()
) -> Iterator[Problem]:
    for field in msgspec.structs.fields(kind):
        if field.name not in document:
            if field.required:
                yield Problem(path=at + field.name, message="is missing")
        elif field.name not in leaving:
            try:
                msgspec.convert(document[field.name], field.type)
            except (msgspec.ValidationError, OverflowError) as error:
                yield Problem(path=at + field.name, message=_sentence(error))


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]
