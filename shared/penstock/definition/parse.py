"""Text to a document: YAML or JSON, whichever it is; every problem of the text with its line."""

import msgspec

from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.workflow import Json
from penstock.definition.document import Lines, Path, decode_text, malformed, nearest_line
from penstock.definition.json_text import JsonReader, locate
from penstock.definition.yaml_text import YamlReader


class Document:
    """A parsed text. `problems` are those of the text itself: repeated keys, anchors, tags."""

    def __init__(self, value: Json, problems: tuple[Problem, ...], *, lines: Lines | None, text: str) -> None:
        self.value = value
        self.problems = problems
        self._lines = lines
        self._text = text

    def line(self, path: Path) -> int | None:
        """The line of `path`, or of the nearest thing around it."""
        if self._lines is None:
            self._lines, _ = locate(self._text)
        return nearest_line(self._lines, path)


def parse(text: str | bytes) -> Document:
    """Read a definition's text; raises InvalidInput where it can't be read to its end."""
    decoded = decode_text(text)
    document = _parse_json(decoded) if decoded.lstrip()[:1] in ("{", "[") else _parse_yaml(decoded)
    _refuse_lone_surrogates(document.value)
    return document


def _parse_json(text: str) -> Document:
    """JSON, or else the YAML that looks like it (`{name: x}`)."""
    reader = JsonReader()
    try:
        value = reader.read(text)
    except InvalidInput as no_json:
        if reader.is_json:
            raise
        try:
            return _parse_yaml(text)
        except InvalidInput:
            raise no_json from None
    if not reader.repeated:
        return Document(value, (), lines=None, text=text)
    lines, problems = locate(text)
    return Document(value, problems, lines=lines, text=text)


def _parse_yaml(text: str) -> Document:
    reader = YamlReader()
    reader.read(text)
    return Document(reader.value, tuple(reader.problems), lines=reader.lines, text=text)


def _refuse_lone_surrogates(value: Json) -> None:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise malformed("a text holds half of a surrogate pair, which is no character", None) from error
