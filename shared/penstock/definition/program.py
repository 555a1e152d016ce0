"""One CEL program: compiled once, evaluated on a context, its result as plain JSON within a budget."""

import base64
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from cel_expr_python import cel
from cel_expr_python.ext import ext_encoders, ext_math, ext_optional, ext_strings

from penstock.contracts.expression import VARIABLES_ALL, ExpressionFailed
from penstock.contracts.limits import NODE_INPUT_BYTES_MAX
from penstock.contracts.names import did_you_mean
from penstock.contracts.workflow import Json

RESULT_BYTES_MAX = NODE_INPUT_BYTES_MAX  # a result becomes (part of) a node's input
_ITEM_BYTES = 2  # what an item costs at least in JSON: itself and its comma

_NUMBERS = ("index", "iteration")
DYNAMIC = frozenset(VARIABLES_ALL) - {*_NUMBERS}  # of their members only the data will tell the type
_TYPES = dict.fromkeys(_NUMBERS, cel.Type.INT) | {"nodes": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)}

_COMPILE_ERROR = re.compile(r"ERROR: <input>:-?\d+:-?\d+: (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_STATUS = re.compile(r"^[A-Z_]+: ")
_NO_KEY = re.compile(r'Key not found in map : "(.*)"')
_NO_OVERLOAD = re.compile(r"No matching overloads found : (?:_(\W{1,2})_|([\w@]+))(\(.*\))")


@cache
def _environment(variables: tuple[str, ...]) -> Any:
    """What compiles expressions over `variables`; no more of them than there are places for expressions.

    No `bindings`: what they do, `map` does too, and they make text grow without an iteration.
    """
    return cel.NewEnv(
        variables={name: _TYPES.get(name, cel.Type.DYN) for name in variables},
        extensions=[
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_encoders.ExtEncoders(),
            ext_optional.ExtOptional(),
        ],
    )


class NotCompiled(Exception):
    """A text that is no CEL; `reasons` has one sentence for each error."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Program:
    """A compiled expression."""

    def __init__(self, source: str, variables: tuple[str, ...] = VARIABLES_ALL) -> None:
        """Raises NotCompiled, also where `source` speaks of anything but `variables`."""
        self.source = source
        try:
            self._expression = _environment(variables).compile(source)
        except RuntimeError as error:
            raise NotCompiled(_compile_errors(str(error), variables)) from error

    @property
    def result_type(self) -> str:
        """CEL's name for the type of the result, in lower case; `dyn` where only the data will tell."""
        return str(self._expression.return_type().name()).lower()

    def run(self, context: Mapping[str, Json]) -> Json:
        """The result as JSON; raises ExpressionFailed."""
        if _holds_nul(context):
            raise ExpressionFailed(
                self.source, "its data holds a NUL character, at which CEL would cut the text"
            )
        try:
            result = self._expression.eval(data=dict(context))
        except RuntimeError as error:
            raise ExpressionFailed(self.source, _reason(str(error))) from error
        if result.type() == cel.Type.ERROR:
            raise ExpressionFailed(self.source, _error_of(result))
        return _Result(self.source).json(result)


class _Result:
    """Turns a CEL value into JSON. Values may share their parts a thousandfold, so the result is counted."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._bytes_left = RESULT_BYTES_MAX

    def json(self, item: Any) -> Json:
        value = item.value()
        if value is None or isinstance(value, (bool, int)):
            self._spend(_ITEM_BYTES)
            return value
        if isinstance(value, str):
            self._spend(len(value) + _ITEM_BYTES)
            return value
        if isinstance(value, list):
            self._spend(_ITEM_BYTES * (len(value) + 1))
            return [self.json(inner) for inner in value]
        if isinstance(value, dict):
            return {self._key(key): self.json(inner) for key, inner in value.items()}
        return self._other(value)

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise self._failed(f"a JSON object's keys are strings; got {key!r}")
        self._spend(len(key) + _ITEM_BYTES)
        return key

    def _other(self, value: object) -> Json:
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self._failed(f"the result {value} is no number of JSON")
            self._spend(_ITEM_BYTES)
            return value
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(value, timedelta):
            return f"{value.total_seconds():f}".rstrip("0").rstrip(".") + "s"
        if isinstance(value, (bytes, bytearray)):
            self._spend(len(value))
            return base64.b64encode(value).decode()
        raise self._failed(f"the result is no JSON: {value!r}"[:200])

    def _spend(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise self._failed(f"the result is larger than {RESULT_BYTES_MAX} bytes")

    def _failed(self, reason: str) -> ExpressionFailed:
        return ExpressionFailed(self._source, reason)


def _holds_nul(context: Mapping[str, Json]) -> bool:
    """Whether CEL would silently cut a text; encoding is the fastest way to see that there is no NUL."""
    try:
        if b"\\u0000" not in msgspec.json.encode(context):
            return False
    except OverflowError:  # an integer beyond 64 bits, which CEL refuses itself
        return False
    todo: list[Json] = [context]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            if "\0" in value:
                return True
        elif isinstance(value, dict):
            todo += (*value, *value.values())
        elif isinstance(value, list):
            todo += value
    return False


def _compile_errors(text: str, variables: tuple[str, ...]) -> tuple[str, ...]:
    found = _COMPILE_ERROR.findall(text) or [text.splitlines()[0]]
    return tuple(dict.fromkeys(_compile_error(message, variables) for message in found))


def _compile_error(message: str, variables: tuple[str, ...]) -> str:
    message = message.replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]")
    match = _UNDECLARED.fullmatch(message)
    if match is None:
        return message
    hint = did_you_mean(match[1], variables)
    this = " This" if hint else "; this"
    return f"{message}{hint}{this} place speaks of {', '.join(variables)}"


def _error_of(result: Any) -> str:
    try:
        return _reason(str(result.value()))
    except TypeError:  # how an optional shows itself: neither a value nor an error text
        return "an optional value is no JSON: end it with .orValue(…)"


def _reason(message: str) -> str:
    """CEL's message without its status code, in words where its own are for its makers."""
    message = _STATUS.sub("", message)
    if match := _NO_KEY.fullmatch(message):
        return no_key(match[1])
    if match := _NO_OVERLOAD.fullmatch(message):
        return f"'{match[1] or match[2]}' does not take {match[3].replace('int64', 'int')}"
    if "Applying SELECT to non-message type" in message:
        return NO_MEMBERS
    if "<jump_condition>" in message:
        return "the condition before '?' gave no bool"
    if "Iteration budget exceeded" in message:
        return "it goes through too many items; do this in an agent"
    return message


NO_MEMBERS = "a member was asked of a value that is no object"


def no_key(key: str) -> str:
    return f"there is no '{key}'"
