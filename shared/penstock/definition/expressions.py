"""Evaluates expressions. Each takes one of three ways, chosen once by its text.

- A plain member path (`nodes.scan.output.findings`) is looked up here: 1.5 µs instead of 16 µs by CEL (busy machine).
- What can neither loop nor grow runs in this process.
- Anything else (`map`, `filter`, `replace`, …) runs in a guarded process: see guard.py.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeAlias

from penstock.contracts.expression import VARIABLES, VARIABLES_ALL, ExpressionFailed, TemplateError, calls
from penstock.contracts.workflow import Json
from penstock.definition.guard import Guard
from penstock.definition.program import DYNAMIC, NO_MEMBERS, NotCompiled, Program, no_key

CACHE_EXPRESSIONS_MAX = 20_000  # four of the largest workflows; one entry is some 10 KiB
ADDITIONS_MAX = 16  # each may append 256 KiB to a text

_STRING = r"""(?:"[^"\\\n]*"|'[^'\\\n]*')"""
_PATH = re.compile(
    rf"({'|'.join(VARIABLES_ALL)})(?:\.(?!(?:in|true|false|null)\b)[A-Za-z_][A-Za-z0-9_]*|\[{_STRING}\])*"
)
_KEY = re.compile(rf"\.([A-Za-z_][A-Za-z0-9_]*)|\[({_STRING})\]|^[a-z]+")
# Calls whose result is no larger than what they are given and whose time is in proportion to it.
_TAME_CALLS = frozenset(
    re.findall(
        r"\S+",
        """size has contains startsWith endsWith matches string int uint double bool type dyn
        timestamp duration
        getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds
        getMilliseconds lowerAscii upperAscii trim substring charAt indexOf lastIndexOf reverse
        greatest least abs ceil floor round trunc sign sqrt isNaN isInf isFinite
        encode decode hasValue value orValue or none of +""",
    )
)

Way: TypeAlias = Callable[[Mapping[str, Json]], Json]


class Expressions:
    """Compiles each expression once and evaluates it. `evaluate` is the `Evaluate` of the contracts."""

    def __init__(self) -> None:
        self._ways: OrderedDict[str, Way] = OrderedDict()
        self._guard = Guard()

    def evaluate(self, source: str, context: Mapping[str, Json]) -> Json:
        """The value of CEL `source` as JSON; raises ExpressionFailed."""
        way = self._ways.get(source)
        if way is None:
            try:
                way = self._choose(source)
            except NotCompiled as error:
                raise ExpressionFailed(source, str(error)) from error
            self._remember(source, way)
        return way(context)

    def result_type(self, source: str, variables: tuple[str, ...] = VARIABLES) -> str:
        """The CEL type of the result, `dyn` where only the data will tell.

        Raises NotCompiled, also where `source` speaks of anything but `variables`.
        """
        path = _PATH.fullmatch(source)
        if path and path[1] in DYNAMIC and path[1] in variables:
            return "dyn"
        return Program(source, variables).result_type

    def close(self) -> None:
        """End the guarded process, if one was needed."""
        self._guard.close()

    def _choose(self, source: str) -> Way:
        if _PATH.fullmatch(source):
            return _member_path(source)
        program = Program(source)
        if is_tame(source):
            return program.run
        return lambda context: self._guard.run(source, context)

    def _remember(self, source: str, way: Way) -> None:
        self._ways[source] = way
        if len(self._ways) > CACHE_EXPRESSIONS_MAX:
            self._ways.popitem(last=False)


def is_tame(source: str) -> bool:
    """Whether an expression can neither loop nor grow: it only calls what is known to do neither."""
    try:
        called = calls(source)
    except TemplateError:
        return False
    return called.count("+") <= ADDITIONS_MAX and all(call in _TAME_CALLS for call in called)


def _member_path(source: str) -> Way:
    """Looks up one member path, as CEL would: a missing key and a value without members are failures."""
    keys = [_key(match) for match in _KEY.finditer(source)]

    def look_up(context: Mapping[str, Json]) -> Json:
        value: Json = context
        for key in keys:
            if not isinstance(value, Mapping):
                raise ExpressionFailed(source, NO_MEMBERS)
            if key not in value:
                raise ExpressionFailed(source, no_key(key))
            value = value[key]
        return value

    return look_up


def _key(match: re.Match[str]) -> str:
    in_brackets = match[2]
    return in_brackets[1:-1] if in_brackets is not None else match[1] or match[0]
