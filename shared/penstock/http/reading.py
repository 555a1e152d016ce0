"""What a request says, strictly: an unknown parameter or field is refused with the nearest valid name."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from starlette.requests import HTTPConnection, Request

from penstock.contracts.errors import InvalidInput, LimitExceeded, NotFound, Problem
from penstock.contracts.limits import PAGE_ROWS_MAX, REQUEST_BODY_BYTES_MAX
from penstock.contracts.names import NAME_PATTERN, PROJECT_DEFAULT, did_you_mean, is_name
from penstock.http.problems import Malformed, UnknownMediaType

S = TypeVar("S", bound=msgspec.Struct)

PROJECT_HEADER = "X-Penstock-Project"
WAIT_S_MAX = 60  # proxies give up on a silent connection at about this age
SEQ_MAX = 2**53  # beyond any timeline, and what a JSON number holds without loss

PageLimit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX)]
Cursor = Annotated[str, msgspec.Meta(max_length=500)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
WaitSeconds = Annotated[float, msgspec.Meta(ge=0, le=WAIT_S_MAX)]
AfterSeq = Annotated[int, msgspec.Meta(ge=0, le=SEQ_MAX)]
Person = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Words = Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*$")]


class NoQuery(msgspec.Struct, frozen=True):
    """No parameters."""


def project_of(request: HTTPConnection) -> str:
    project = request.headers.get(PROJECT_HEADER, PROJECT_DEFAULT)
    if not is_name(project):
        raise InvalidInput.at(PROJECT_HEADER, f"expected a name like {NAME_PATTERN}")
    return project


def run_id_of(request: HTTPConnection) -> UUID:
    text: str = request.path_params["run_id"]
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("run", text) from error


def query_of(request: HTTPConnection, kind: type[S]) -> S:
    """The query string as a `kind`; raises InvalidInput with every problem in it."""
    query = request.query_params
    if not query:
        return kind()
    fields = _fields(kind)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys(query.keys()):
        try:
            values[name] = _parameter(name, query.getlist(name), fields)
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise _invalid("the query", problems)
    attributes = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
    return kind(**{attributes[name]: value for name, value in values.items()})


async def body_of(request: Request, decoder: msgspec.json.Decoder[S]) -> S:
    """The JSON body as what `decoder` decodes; an empty body is an empty object."""
    return decode_body(await read_body(request, bytes_max=REQUEST_BODY_BYTES_MAX) or b"{}", decoder)


def decode_body(raw: bytes, decoder: msgspec.json.Decoder[S]) -> S:
    """Raises Malformed, or InvalidInput with every problem; the good case decodes once."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _why(raw, decoder.type, error) from error


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """The whole body; raises LimitExceeded as soon as it is known to be too long."""
    refuse_announced(request, bytes_max=bytes_max)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise too_large(bytes_max)
    return bytes(body)


def refuse_announced(request: Request, *, bytes_max: int) -> None:
    """A body that says that it is too long is not even read."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > bytes_max:
        raise too_large(bytes_max)


def too_large(bytes_max: int) -> LimitExceeded:
    message = f"larger than the limit of {bytes_max} bytes"
    return LimitExceeded(f"the body is {message}", (Problem(path="", message=message),))


def expect_media_type(request: Request, *accepted: str) -> None:
    """An absent content type is taken for the first accepted one."""
    given = request.headers.get("content-type", accepted[0]).partition(";")[0].strip().lower()
    if given not in accepted:
        raise UnknownMediaType(f"content type '{given}' is not understood; send {' or '.join(accepted)}")


def _parameter(name: str, texts: list[str], fields: dict[str, Any]) -> Any:
    if name not in fields:
        known = did_you_mean(name, fields) or f"; there are: {', '.join(fields) or 'none'}"
        raise InvalidInput.at(name, f"no such parameter{known}")
    many = get_origin(fields[name]) is tuple
    if len(texts) > 1 and not many:
        raise InvalidInput.at(name, "given more than once")
    if any("\x00" in text for text in texts):
        raise InvalidInput.at(name, "contains the character U+0000")
    return _converted(name, texts if many else texts[0], fields[name], strict=False)


def _converted(path: str, value: Any, kind: Any, *, strict: bool) -> Any:
    try:
        converted = msgspec.convert(value, kind, strict=strict)
        return converted.astimezone(UTC) if isinstance(converted, datetime) else converted
    except (msgspec.ValidationError, OverflowError) as error:
        raise InvalidInput.at(path, _sentence(error) + _choices(kind, value)) from error


def _why(raw: bytes, kind: Any, error: Exception) -> Malformed | InvalidInput:
    """The slow way, taken only for a body that is wrong: look at each field by itself."""
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as malformed:
        return Malformed(f"the body is not JSON: {malformed}")
    if not isinstance(document, dict):
        return _invalid("the body", [Problem(path="", message="expected an object")])
    problems = [*_wrong_fields(document, kind), *_missing_fields(document, kind)]
    return _invalid("the body", problems or [Problem(path="", message=_sentence(error))])


def _wrong_fields(document: dict[str, Any], kind: Any) -> list[Problem]:
    fields = _fields(kind)
    problems: list[Problem] = []
    for name, value in document.items():
        if name not in fields:
            problems.append(Problem(path=name, message=f"unknown field{did_you_mean(name, fields)}"))
        elif fields[name] is not msgspec.Raw:
            try:
                _converted(name, value, fields[name], strict=True)
            except InvalidInput as error:
                problems += error.problems
    return problems


def _missing_fields(document: dict[str, Any], kind: Any) -> list[Problem]:
    required = (field.encode_name for field in msgspec.structs.fields(kind) if field.required)
    return [Problem(path=name, message="is missing") for name in required if name not in document]


def _invalid(what: str, problems: list[Problem]) -> InvalidInput:
    first = f"{problems[0].path}: {problems[0].message}" if problems[0].path else problems[0].message
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInput(f"{what} is wrong: {first}{more}", tuple(problems))


def _choices(kind: Any, value: Any) -> str:
    """What a parameter of few values takes, and the nearest of them to what was given."""
    choices = next((named for each in (kind, *get_args(kind)) if (named := _named(each))), ())
    given = value if isinstance(value, list) else [value]
    wrong = next((text for text in given if text not in choices), "")
    return f"; expected one of {', '.join(choices)}{did_you_mean(wrong, choices)}" if choices else ""


def _named(kind: Any) -> tuple[str, ...]:
    """The few texts that a parameter of this kind takes; none when there are not few."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ()


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Name, as a client writes it → type with its constraints."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
