"""The text of an expression: where it ends, which nodes it names, and its CEL form. Pure; evaluates nothing.

In the order of life: `end_of` finds the `}}` that closes an expression, `parse` reads the expression once
and keeps what the runtime needs: the CEL source, and which part of the context it reads.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol, TypeAlias

import msgspec

from penstock.contracts.limits import EXPRESSION_BYTES_MAX
from penstock.contracts.workflow import Json

VARIABLES = ("inputs", "nodes", "run")
"""What most expressions may speak of: the run's input, the nodes' states and outputs, the run itself."""

_OF_FOREACH, _OF_REPEAT, _OF_COMPENSATE = ("item", "index"), ("iteration", "previous"), ("input", "output")
VARIABLES_ALL = (*VARIABLES, *_OF_FOREACH, *_OF_REPEAT, *_OF_COMPENSATE, "event", "alert", "schedule")
"""With those that only some places may speak of; `definition/places.py` says which."""


class ExpressionFailed(Exception):
    """An expression could not be evaluated. `source` is the author's text, `reason` what went wrong."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"${{{{ {source} }}}}: {reason}")
        self.source = source
        self.reason = reason


class TemplateError(ValueError):
    """A text that cannot be a template: wrong as written, whatever the data."""


class Evaluate(Protocol):
    """Evaluates CEL `source` on `context` (variable → value); raises ExpressionFailed."""

    def __call__(self, source: str, context: Mapping[str, Json]) -> Json: ...


Path: TypeAlias = tuple[str, ...]
"""A variable and the constant keys after it: `nodes.a.output.size()` reads ("nodes", "a", "output")."""


class Expression(msgspec.Struct, frozen=True):
    """One `${{ … }}`, read once. `nodes` are the names it speaks of, in order, whether they exist or not."""

    source: str  # as the author wrote it, without the spaces around
    cel: str  # what is evaluated: node names with hyphens became string keys
    paths: tuple[Path, ...]  # all that it reads of the context; none is the beginning of another

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path[1] for path in self.paths if path[0] == "nodes"))

    def evaluate(self, evaluate: Evaluate, context: Mapping[str, Json]) -> Json:
        """The value, on a context that holds only what the expression reads: conversion to CEL costs."""
        try:
            return evaluate(self.cel, project(self.paths, context))
        except ExpressionFailed as failure:
            raise ExpressionFailed(self.source, failure.reason) from failure


def project(paths: Iterable[Path], context: Mapping[str, Json]) -> dict[str, Json]:
    """The part of `context` on `paths`; a path ends early at a missing key or a value without keys."""
    projection: dict[str, Json] = {}
    for path in paths:
        found: Mapping[str, Json] = context
        target = projection
        last = len(path) - 1
        for depth, key in enumerate(path):
            if key not in found:
                break
            value = found[key]
            if depth == last or not isinstance(value, (dict, Mapping)):
                target[key] = value
                break
            target = target.setdefault(key, {})
            found = value
    return projection


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    start: int
    end: int


_TOKEN = r"""
      (?P<space> \s+ )
    | (?P<comment> // COMMENT* )
    | (?P<string> [bB]?[rR][bB]? (?: \"{3} .*? \"{3} | '{3} .*? '{3} | "[^"\n]*" | '[^'\n]*' )
                | [bB]? (?: \"{3} (?:\\.|[^\\])*? \"{3} | '{3} (?:\\.|[^\\])*? '{3}
                          | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
    | (?P<quoted> `[^`\n]*` )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<number> [0-9][0-9A-Za-z_]* )
    | (?P<mark> . )
    """
# CEL's comment goes on to the end of the line; in a text around it, `}}` ends the expression before that.
_IN_SOURCE = re.compile(_TOKEN.replace("COMMENT", r"[^\n]"), re.VERBOSE | re.DOTALL)
_IN_TEXT = re.compile(_TOKEN.replace("COMMENT", r"(?: (?!\}\}) [^\n] )"), re.VERBOSE | re.DOTALL)
_NEEDS_CARE = re.compile(r"""["'`{}/]""")  # a string, map or comment may hold the `}}`
_WITHOUT_NAMES = "|".join(name for name in VARIABLES_ALL if name != "nodes")
_PLAIN_PATH = re.compile(rf"(?:({_WITHOUT_NAMES})|nodes\.([a-z][a-z0-9-]*))((?:\.[A-Za-z_][A-Za-z0-9_]*)*)")
_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORD = re.compile(r"[A-Za-z0-9_]")
_PLAIN_STRING = re.compile(r"""'[^'\\]*'|"[^"\\]*\"""")
_NAME_CHARS_MAX = 63
_PATH_KEYS_MAX = 10  # a longer path is read as a shorter one, which brings more than needed
_RESERVED = frozenset({"in", "true", "false", "null"})
_NAMES_OF_VARIABLES = frozenset(VARIABLES_ALL)
_SILENT = ("space", "comment")
_CLOSED = (")", "]", "}")  # after one of these, or a word, a dot selects a member


def end_of(text: str, start: int) -> int:
    """Where the `}}` stands that closes the expression beginning at `start`.

    Skips strings, comments and the braces of maps. Raises TemplateError if there is none.
    """
    last = start + EXPRESSION_BYTES_MAX + 2
    closing = text.find("}}", start, last)
    if closing >= 0 and not _NEEDS_CARE.search(text, start, closing):
        return closing
    depth = 0
    for token in _tokens(text, start, last, _IN_TEXT):
        if token.text == "{":
            depth += 1
        elif token.text == "}" and depth:
            depth -= 1
        elif token.text == "}":
            if text.startswith("}}", token.start):
                return token.start
            raise TemplateError(f"'}}' without '{{' in ${{{{ {text[start : token.end].strip()}")
    if len(text) > last:
        raise TemplateError(f"the expression is longer than {EXPRESSION_BYTES_MAX} bytes or lacks its '}}}}'")
    raise TemplateError(f"'${{{{' without '}}}}': {text[start - 3 : start + 60]}")


def parse(source: str, known_nodes: Container[str]) -> Expression:
    """Read one expression: its CEL form, and what it reads of the context.

    Names are matched against `known_nodes` longest first: `nodes.a-b.output` speaks of node `a-b` if there is
    one, else subtracts `b.output` from node `a` if there is one, else names the unknown node `a-b`.
    Raises TemplateError where a node is not named by a constant.
    """
    source = source.strip()
    if not source:
        raise TemplateError("an empty expression: write something between '${{' and '}}'")
    if len(source.encode()) > EXPRESSION_BYTES_MAX:
        raise TemplateError(f"the expression is longer than {EXPRESSION_BYTES_MAX} bytes")
    return _parse_plain(source, known_nodes) or _parse_any(source, known_nodes)


def _parse_plain(source: str, known_nodes: Container[str]) -> Expression | None:
    """A member path of a known node or of another variable, which most expressions are; None for the rest."""
    match = _PLAIN_PATH.fullmatch(source)
    if match is None:
        return None
    name, members = match[2], tuple(match[3].split(".")[1:])
    if name is None:
        plain = len(members) <= _PATH_KEYS_MAX
        return Expression(source=source, cel=source, paths=((match[1], *members),)) if plain else None
    if name not in known_nodes or len(members) > _PATH_KEYS_MAX:
        return None
    keyed = f'nodes["{name}"]{match[3]}' if "-" in name or name in _RESERVED else source
    return Expression(source=source, cel=keyed, paths=(("nodes", name, *members),))


def _parse_any(source: str, known_nodes: Container[str]) -> Expression:
    paths: list[Path] = []
    parts: list[str] = []
    done = 0
    for variable in _variables(source):
        if variable.start < done:
            continue
        path: Path = (variable.text,)
        end = variable.end
        if variable.text == "nodes":
            name, key_start, end, in_brackets = _node_at(source, variable.end, known_nodes)
            path = ("nodes", name)
            if not in_brackets and ("-" in name or name in _RESERVED):
                parts += (source[done:key_start], f'["{name}"]')
                done = end
        paths.append(path + _members(source, end))
    parts.append(source[done:])
    return Expression(source=source, cel="".join(parts), paths=_without_repeats(paths))


def calls(cel: str) -> tuple[str, ...]:
    """What an expression calls, in order: functions, methods, macros, and `+` for each addition."""
    tokens = tuple(_tokens(cel))
    named = (
        token.text
        for token, following in zip(tokens, (*tokens[1:], None), strict=True)
        if token.text == "+" or (token.kind != "mark" and following and following.text == "(")
    )
    return tuple(named)


def references(source: str, known_nodes: Container[str]) -> set[str]:
    """The nodes that an expression names, existing or not; never looks inside string literals."""
    return set(parse(source, known_nodes).nodes)


def rewrite(source: str, known_nodes: Container[str]) -> str:
    """The expression as CEL reads it: `nodes.sign-off.output` becomes `nodes["sign-off"].output`."""
    return parse(source, known_nodes).cel


def _tokens(
    text: str, start: int = 0, end: int | None = None, pattern: re.Pattern[str] = _IN_SOURCE
) -> Iterator[_Token]:
    stop = len(text) if end is None else end
    for match in pattern.finditer(text, start, stop):
        kind, found = match.lastgroup or "mark", match.group()
        if found in ('"', "'", "`"):
            raise TemplateError(f"a string is not closed: {text[match.start() : match.start() + 60]}")
        if kind not in _SILENT:
            yield _Token(kind, found, match.start(), match.end())


def _variables(source: str) -> Iterator[_Token]:
    """The tokens that are one of the variables, not a member of something else (`inputs.nodes`)."""
    before = previous = None
    for token in _tokens(source):
        if token.kind == "name" and token.text in _NAMES_OF_VARIABLES and not _selects(before, previous):
            yield token
        before, previous = previous, token


def _selects(before: _Token | None, previous: _Token | None) -> bool:
    """Whether `previous` is a dot that selects a member of `before`; a leading dot selects nothing."""
    if previous is None or previous.text not in (".", "?"):
        return False
    if previous.text == "?":
        return before is not None and before.text == "."
    return before is not None and (before.kind != "mark" or before.text in _CLOSED)


def _node_at(source: str, start: int, known_nodes: Container[str]) -> tuple[str, int, int, bool]:
    """The node named right after `nodes`: its name, its key's start and end, whether in brackets."""
    tokens = _tokens(source, start)
    opening, name = next(tokens, None), next(tokens, None)
    if opening and name and opening.text == "." and name.kind == "name":
        found = _longest_known(source, name.start, known_nodes)
        end = name.start + len(found)
        following = next(_tokens(source, end), None)
        if following is None or following.text != "(":
            return found, opening.start, end, False
    if opening and name and opening.text == "[" and name.kind == "string":
        closing = next(tokens, None)
        key = name.text[1:-1]
        if closing and closing.text == "]" and _NODE_NAME.fullmatch(key):
            return key, opening.start, closing.end, True
    raise TemplateError('name the node that is meant: nodes.NAME or nodes["NAME"]; it can\'t be computed')


def _members(source: str, start: int) -> Path:
    """The constant keys that follow a variable: `.name` that is no call, and `["name"]`."""
    keys: list[str] = []
    tokens = list(islice(_tokens(source, start), 3 * _PATH_KEYS_MAX))
    place = 0
    while place + 1 < len(tokens):
        opening, key = tokens[place], tokens[place + 1]
        following = tokens[place + 2].text if place + 2 < len(tokens) else ""
        if opening.text == "." and key.kind == "name" and following != "(":
            keys.append(key.text)
            place += 2
        elif opening.text == "[" and following == "]" and _PLAIN_STRING.fullmatch(key.text):
            keys.append(key.text[1:-1])
            place += 3
        else:
            break
    return tuple(keys)


def _without_repeats(paths: list[Path]) -> tuple[Path, ...]:
    """Each path once, and none that goes on from another: the shorter one brings all below it."""
    unique = dict.fromkeys(paths)
    return tuple(
        path for path in unique if not any(path[:length] in unique for length in range(1, len(path)))
    )


def _longest_known(source: str, start: int, known_nodes: Container[str]) -> str:
    """The longest known name at `start` that ends where a word ends; if none is known, the longest text."""
    match = _NODE_NAME.match(source, start)
    assert match is not None, "a name token begins like a node's name"
    text = match.group().rstrip("-")
    for length in range(min(len(match.group()), _NAME_CHARS_MAX), 0, -1):
        ends_word = not _WORD.match(source, start + length)
        if ends_word and source[start : start + length] in known_nodes:
            return source[start : start + length]
    return text
