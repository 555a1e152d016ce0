"""Reading CloudEvents 1.0, strictly: all that is wrong with an event at once, each with its attribute.

Raises Undecodable for what is no JSON at all, InvalidInput for an event that is not as it must be.
Source: CloudEvents 1.0.2 with its JSON format and the HTTP and NATS bindings.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from orchestrator.engine.cloud_attributes import Wrong, checked, known_attributes
from penstock.contracts.errors import InvalidInput, LimitExceeded, Problem
from penstock.contracts.inbound import InboundEvent
from penstock.contracts.limits import INBOUND_EVENT_BYTES_MAX, INBOUND_EVENTS_PER_REQUEST_MAX
from penstock.contracts.names import nearest
from penstock.contracts.wire import Undecodable, decode, encode
from penstock.contracts.workflow import Json

D = TypeVar("D")

HEADER = "ce-"  # of an attribute in binary mode
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_REQUIRED = ("specversion", "id", "source", "type")
_FIELDS = ("id", "source", "type", "subject", "time")  # of InboundEvent; the rest are its `attributes`

_event = msgspec.json.Decoder(dict[str, msgspec.Raw])
_batch = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def read_event(project: str, document: bytes) -> InboundEvent:
    """Structured mode: one JSON object."""
    return _structured(project, _decoded(document, _event.decode))


def read_batch(project: str, document: bytes) -> tuple[InboundEvent, ...]:
    """Batch mode: a JSON list of events. One that is wrong refuses all; paths begin with its place, `[3].`"""
    sent = _decoded(document, _batch.decode)
    if len(sent) > INBOUND_EVENTS_PER_REQUEST_MAX:
        message = f"{len(sent)} events; at most {INBOUND_EVENTS_PER_REQUEST_MAX} may be sent at once"
        raise LimitExceeded(f"the batch has {message}", (Problem(path="", message=message),))
    events: list[InboundEvent] = []
    problems: list[Problem] = []
    for place, fields in enumerate(sent):
        try:
            events.append(_structured(project, fields, at=f"[{place}]."))
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise _invalid("the batch", problems)
    return tuple(events)


def read_binary(
    project: str, headers: Mapping[str, str], *, content_type: str | None, body: bytes
) -> InboundEvent:
    """Binary mode: attributes in `ce-*` headers (names in lower case), the data as the body."""
    attributes: dict[str, Json] = {
        name.removeprefix(HEADER): unquote(value)
        for name, value in headers.items()
        if name.startswith(HEADER)
    }
    problems = [
        Problem(path=HEADER + name, message=f"not an attribute in binary mode; {instead}")
        for name, instead in (
            ("data", "send the data as the body"),
            ("data_base64", "send the bytes as the body"),
            ("datacontenttype", "send the header content-type"),
        )
        if attributes.pop(name, None) is not None
    ]
    if content_type:
        attributes["datacontenttype"] = content_type
    data, encoded = _body_as_data(body, content_type)
    if encoded is not None:
        attributes["data_base64"] = encoded
    return _checked_event(project, attributes, data, at=HEADER, problems=problems)


def _body_as_data(body: bytes, content_type: str | None) -> tuple[bytes, str | None]:
    """The body as JSON, or as base64 when it is neither JSON nor text; no content type means JSON."""
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if not body:
        return b"null", None
    if kind.endswith(("/json", "+json")):
        return body, None
    if kind.startswith("text/"):
        try:
            return encode(body.decode()), None
        except UnicodeDecodeError:
            pass  # text of another encoding is bytes to us
    return b"null", b64encode(body).decode()


def _structured(project: str, fields: Mapping[str, msgspec.Raw], *, at: str = "") -> InboundEvent:
    attributes = {name: decode(value, object) for name, value in fields.items() if name != "data"}
    data = bytes(fields.get("data", b"null"))
    problems = []
    if data != b"null" and attributes.get("data_base64") is not None:
        problems.append(Problem(path=f"{at}data_base64", message="there is `data` too; send one of them"))
    return _checked_event(project, attributes, data, at=at, problems=problems)


def _checked_event(
    project: str, sent: Mapping[str, Json], data: bytes, *, at: str, problems: list[Problem]
) -> InboundEvent:
    values: dict[str, Json] = {}
    for name, value in sent.items():
        try:
            if value is not None:  # the JSON format: as if it were not there
                values[name] = checked(name, value)
        except Wrong as error:
            is_header = at == HEADER and name == "datacontenttype"
            path = "content-type" if is_header else at + name
            problems.append(Problem(path=path, message=str(error)))
    problems += [_missing(name, sent, at) for name in _REQUIRED if sent.get(name) is None]
    problems += _wrong_data(data, at)
    if problems:
        raise _invalid("the event", problems)
    others = {name: value for name, value in values.items() if name not in (*_FIELDS, "specversion")}
    event = InboundEvent(
        project=project,
        data=data,
        attributes=encode(others),
        **{name: values[name] for name in _FIELDS if name in values},
    )
    _refuse_large(event, at)
    return event


def _missing(name: str, sent: Mapping[str, Json], at: str) -> Problem:
    meant = nearest(name, [other for other in sent if other not in known_attributes()])
    hint = f"; did you mean it by '{meant}'?" if meant else ""
    return Problem(path=at + name, message=f"is missing{hint}")


def _wrong_data(data: bytes, at: str) -> list[Problem]:
    """JSON is looked at to its end: nothing may surprise the expressions that read it later."""
    try:
        decode(data, object)
        data.decode()
    except (Undecodable, UnicodeDecodeError) as error:
        path = "" if at == HEADER else f"{at}data"
        return [Problem(path=path, message=f"the data is not JSON: {error}")]
    return []


def _refuse_large(event: InboundEvent, at: str) -> None:
    size = len(event.data) + len(event.attributes)
    if size > INBOUND_EVENT_BYTES_MAX:
        message = f"{size} bytes of data, more than {INBOUND_EVENT_BYTES_MAX}; send a reference to it instead"
        path = "" if at == HEADER else f"{at}data"
        raise LimitExceeded(f"the event has {message}", (Problem(path=path, message=message),))


def _decoded(document: bytes, decoder: Callable[[bytes], D]) -> D:
    try:
        return decoder(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"not a CloudEvent in JSON: {error}") from error


def _invalid(what: str, problems: list[Problem]) -> InvalidInput:
    first = f"{problems[0].path}: {problems[0].message}" if problems[0].path else problems[0].message
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInput(f"{what} is wrong: {first}{more}", tuple(problems))
