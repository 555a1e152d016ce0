"""YAML 1.2 to JSON values: libyaml splits the text into events, the values are made here.

Only JSON comes out: types follow YAML 1.2's core schema (`on`, `no` and dates are strings). Anchors, aliases,
tags, merge keys and several documents in one text are refused.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from penstock.contracts.errors import Problem
from penstock.contracts.limits import DEFINITION_DEPTH_MAX
from penstock.contracts.workflow import Json
from penstock.definition.document import Lines, Path, dotted, malformed, too_deep

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is twenty times as fast

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_INT_CHARS_MAX = 20  # of 64 bits with a sign
_BASED_INT = re.compile(r"0o[0-7]{1,21}|0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBER_START = frozenset("0123456789+-.")
INT_MAX = 2**63 - 1


class _Container(msgspec.Struct):
    """A mapping or sequence while its events come in; `key` is the one whose value comes next."""

    value: Any
    path: Path
    key: str | int | None


class YamlReader:
    """Builds the value of one document, its lines and the problems of its text."""

    def __init__(self) -> None:
        self.value: Json = None
        self.lines: Lines = {}
        self.problems: list[Problem] = []
        self._open: list[_Container] = []
        self._documents = 0

    def read(self, text: str) -> None:
        """Raises InvalidInput where the text is no YAML at all."""
        try:
            for event in _events(text):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f" ({error.context})" if error.context else ""
            raise malformed(f"not YAML: {error.problem}{where}", mark.line + 1 if mark else None) from error
        except yaml.YAMLError as error:
            raise malformed(
                f"not YAML: {str(error).splitlines()[0]}", _line_of_reader(text, error)
            ) from error

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._check_plain(event)
            if self._expects_key():
                self._take_key(event.value, _line(event))
            else:
                self._put(self._scalar(event), _line(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check_plain(event)
            self._open_container({} if isinstance(event, yaml.MappingStartEvent) else [], _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._advance()
        elif isinstance(event, yaml.AliasEvent):
            self._problem("aliases (*name) are not allowed: write the value again", _line(event))
            self._put(None, _line(event))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise malformed(
                    "more than one document in the text; write each into its own file", _line(event)
                )

    def _check_plain(self, event: Any) -> None:
        if event.anchor is not None:
            self._problem("anchors (&name) are not allowed", _line(event))
        if event.tag is not None:
            self._problem(f"tags ({event.tag}) are not allowed", _line(event))

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _take_key(self, key: str, line: int) -> None:
        container = self._open[-1]
        path = (*container.path, key)
        if key in container.value:
            self._problem(f"the key is here twice; the first is on line {self.lines[path]}", line, path)
        elif key == "<<":
            self._problem("merge keys (<<) are not allowed", line, path)
        else:
            self.lines[path] = line
        container.key = key

    def _open_container(self, value: Json, line: int) -> None:
        if self._expects_key():
            raise malformed("a key must be a word, not a mapping or a list", line, self._open[-1].path)
        if len(self._open) >= DEFINITION_DEPTH_MAX:
            raise too_deep(line)
        path = self._place(line)
        self._attach(value)
        self._open.append(_Container(value, path, None if isinstance(value, dict) else 0))

    def _put(self, value: Json, line: int) -> None:
        if self._expects_key():
            raise malformed("a key must be a word", line, self._open[-1].path)
        self._place(line)
        self._attach(value)
        self._advance()

    def _place(self, line: int) -> Path:
        """The path of the value that comes now; a value stands on its key's line, an item on its own."""
        if not self._open:
            self.lines[()] = line
            return ()
        container = self._open[-1]
        assert container.key is not None, "a value follows its key"
        path = (*container.path, container.key)
        self.lines.setdefault(path, line)
        return path

    def _attach(self, value: Json) -> None:
        if not self._open:
            self.value = value
            return
        container = self._open[-1]
        if isinstance(container.value, list):
            container.value.append(value)
        else:
            container.value.setdefault(container.key, value)

    def _advance(self) -> None:
        """The value of the innermost open container is complete: its next key or item follows."""
        if self._open:
            container = self._open[-1]
            container.key = container.key + 1 if isinstance(container.key, int) else None

    def _scalar(self, event: yaml.ScalarEvent) -> Json:
        if not event.implicit[0]:
            return event.value
        value = plain(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(f"{event.value} is no number of JSON; put it in quotes if it is text", _line(event))
            return 0.0
        if isinstance(value, int) and abs(value) > INT_MAX:
            self._problem(f"{event.value} does not fit into 64 bits; put it in quotes", _line(event))
            return 0
        return value

    def _problem(self, message: str, line: int, path: Path | None = None) -> None:
        if path is None:
            container = self._open[-1] if self._open else None
            inner = (container.key,) if container and container.key is not None else ()
            path = (*container.path, *inner) if container else ()
        self.problems.append(Problem(path=dotted(path), message=message, line=line))


def plain(text: str) -> Json:
    """What an unquoted scalar is, by YAML 1.2's core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _INT.fullmatch(text):
        return int(text) if len(text) <= _INT_CHARS_MAX else INT_MAX + 1
    if _BASED_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return math.inf if _NOT_FINITE.fullmatch(text) else text


def _events(text: str) -> Iterator[yaml.Event]:
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
    return events


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _line_of_reader(text: str, error: yaml.YAMLError) -> int | None:
    position = getattr(error, "position", None)
    return text.count("\n", 0, position) + 1 if isinstance(position, int) else None
