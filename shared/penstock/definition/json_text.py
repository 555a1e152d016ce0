"""JSON text to values. Fast while all is well; lines are looked up only once there is a problem to place."""

import json
import re
from typing import Any

from penstock.contracts.errors import Problem
from penstock.contracts.limits import DEFINITION_DEPTH_MAX
from penstock.contracts.workflow import Json
from penstock.definition.document import Lines, Path, dotted, is_deeper, malformed, too_deep
from penstock.definition.yaml_text import INT_MAX

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class JsonReader:
    """Reads one JSON text. `repeated`: some object has a key twice; `is_json`: its syntax, at least, is."""

    def __init__(self) -> None:
        self.repeated = False
        self.is_json = True

    def read(self, text: str) -> Json:
        """Raises InvalidInput where the text is no JSON."""
        try:
            value = json.loads(
                text,
                object_pairs_hook=self._object,
                parse_constant=_refuse,
                parse_int=_int,
                parse_float=_float,
            )
        except json.JSONDecodeError as error:
            self.is_json = False
            raise malformed(f"not JSON: {error.msg}", error.lineno) from error
        except _NotJson as error:
            raise malformed(str(error), None) from error
        except RecursionError as error:
            raise too_deep(None) from error
        if is_deeper(value, DEFINITION_DEPTH_MAX):
            raise too_deep(None)
        return value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            self.repeated = True
        return value


class _NotJson(Exception):
    """A number that JSON does not know or that does not fit."""


def _refuse(text: str) -> Json:
    raise _NotJson(f"{text} is no number of JSON")


def _int(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > INT_MAX:
        raise _NotJson(f"{text[:40]} does not fit into 64 bits; put it in quotes")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _NotJson(f"{text[:40]} is too large for a number")
    return value


def locate(text: str) -> tuple[Lines, tuple[Problem, ...]]:
    """The lines of a valid JSON text, and a problem for each key that an object has twice."""
    lines: Lines = {(): text.count("\n", 0, len(text) - len(text.lstrip())) + 1}
    problems: list[Problem] = []
    path: list[str | int] = []
    is_object: list[bool] = []
    expects_key = False
    line, done = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", done, match.start())
        done = match.start()
        token = match.group()
        if token in ("}", "]"):
            path.pop()
            is_object.pop()
            expects_key = False
        elif token == ",":
            expects_key = is_object[-1]
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else path[-1]
        elif expects_key:
            path[-1] = json.loads(token)
            expects_key = False
            _note(tuple(path), line, lines, problems)
        elif token != ":":
            lines.setdefault(tuple(path), line)
            if token in ("{", "["):
                is_object.append(token == "{")
                path.append("" if token == "{" else 0)
                expects_key = token == "{"
    return lines, tuple(problems)


def _note(path: Path, line: int, lines: Lines, problems: list[Problem]) -> None:
    if path in lines:
        message = f"the key is here twice; the first is on line {lines[path]}"
        problems.append(Problem(path=dotted(path), message=message, line=line))
    lines.setdefault(path, line)
