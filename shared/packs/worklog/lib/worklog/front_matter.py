"""What stands between two lines `---` at the top of a Markdown file."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

HEAD_CHARS_MAX = 4_096
_OPEN = re.compile(r"---[ \t]*\n")
_CLOSE = re.compile(r"^(?:---|\.\.\.)[ \t]*$\n?", re.MULTILINE)


class Unreadable(Exception):
    """Front matter that says nothing certain: whose the entries are must not be guessed."""


@dataclass(frozen=True)
class FrontMatter:
    """`first_line` is the number of the first line below it."""

    user: str = ""
    date: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    first_line: int = 1


def front_matter(text: str) -> tuple[FrontMatter, str]:
    """With the rest of the text. Raises Unreadable. A mere rule at the top is none."""
    head = _head(text)
    if head is None:
        return FrontMatter(), text
    about, end = _mapping(text[head[0] : head[1]]), head[2]
    if about is None:
        return FrontMatter(), text
    words = {name: _text(about, name) for name in ("user", "date", "title")}
    first_line = text.count("\n", 0, end) + 1
    return FrontMatter(**words, tags=_tags(about.get("tags")), first_line=first_line), text[end:]


def _head(text: str) -> tuple[int, int, int] | None:
    if not (opened := _OPEN.match(text)):
        return None
    closed = _CLOSE.search(text, opened.end())
    return (opened.end(), closed.start(), closed.end()) if closed else None


def _mapping(head: str) -> dict[str, Any] | None:
    if len(head) > HEAD_CHARS_MAX:
        return None
    try:
        about = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unreadable(f"the front matter is no YAML: {reason}") from error
    return about if isinstance(about, dict) else None


def _text(about: dict[str, Any], name: str) -> str:
    value = about.get(name)
    if value is None:
        return ""
    if isinstance(value, str | int | float | date):
        return str(value).strip()
    raise Unreadable(f"{name} in the front matter: expected text")


def _tags(given: Any) -> tuple[str, ...]:
    listed = re.split(r"[\s,;]+", given) if isinstance(given, str) else given
    if not isinstance(listed, list):
        return ()
    return tuple(str(tag).lower() for tag in listed if isinstance(tag, str | int | float) and str(tag))
