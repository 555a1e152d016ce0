"""A requirements document in its sentences, each with its line. Markdown or plain text; code blocks are left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.agents import context

DOCUMENT_BYTES_MAX = 256 * 1024  # more than a team of agents can be asked to deliver at once

_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*$")
_BULLET = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'])")


class UnfitDocument(Exception):
    """The document cannot be read; the message says why."""


@dataclass(frozen=True)
class Sentence:
    text: str
    line: int
    heading: str = ""


@dataclass(frozen=True)
class Document:
    title: str
    sentences: tuple[Sentence, ...]
    text: str


def read(given: str) -> Document:
    """The document in the artifact `given`, or, when it names none, `given` itself.

    Only artifacts are opened: a text that names another file of the sandbox does not publish that file.
    """
    path = _existing(given)
    raw = path.read_bytes() if path else given.encode()
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise UnfitDocument(f"requirements: {len(raw):,} bytes; at most {DOCUMENT_BYTES_MAX:,} are read")
    try:
        text = raw.decode("utf-8-sig")  # Windows writes a mark in front
    except UnicodeDecodeError as error:
        raise UnfitDocument("requirements: expected a text in UTF-8, such as a Markdown file") from error
    if "\0" in text:
        raise UnfitDocument("requirements: expected a text; this has NUL characters")
    if not text.strip():
        raise UnfitDocument("requirements: the document is empty")
    return parse(text)


def parse(text: str) -> Document:
    sentences = tuple(_sentences(text))
    first = next((line for line in text.splitlines() if line.strip()), "")
    heading = _HEADING.match(first.strip())
    return Document(heading[1] if heading else "Delivery", sentences, text)


def _existing(given: str) -> Path | None:
    if "\n" in given or len(given) > 1_000:
        return None
    if not given.startswith("/"):
        return None
    path = Path(given).resolve()
    return path if path.is_relative_to(context.in_folder.resolve()) and path.is_file() else None


def _sentences(text: str) -> Iterator[Sentence]:
    for block, line, heading in _blocks(text):
        offset = 0
        for part in _END.split(block):
            passed = block[:offset].count("\n")
            yield Sentence(" ".join(part.split()), line + passed, heading)
            offset += len(part) + 1


def _blocks(text: str) -> Iterator[tuple[str, int, str]]:
    """Paragraphs and points of lists, with the line where each begins and the heading above it."""
    block: list[str] = []
    start, heading, is_code = 1, "", False
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        fence = line.lstrip().startswith("```")
        is_code ^= fence
        title = None if is_code else _HEADING.match(line)
        bullet = _BULLET.match(line)
        if block and (title or bullet or fence or is_code or not line.strip()):
            yield "\n".join(block), start, heading
            block = []
        if title:
            heading = title[1]
        elif line.strip() and not fence and not is_code:
            start = start if block else number
            block.append(line[bullet.end() :] if bullet else line)
