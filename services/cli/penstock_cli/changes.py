"""How a change of a definition looks to a person: like a unified diff, with the key for the place."""

import json
from typing import Any

from rich.text import Text

LINE_CHARACTERS_MAX = 160  # of one value; `-o json` has all of it
KEYS_MAX = 20  # of an object that came or went as a whole


def change_lines(change: dict[str, Any]) -> Text:
    """`@@ nodes.scan.with.source`, then what was and what is."""
    lines = [Text(f"@@ {_place(change)}", "cyan")]
    if change["kind"] != "added":
        lines += [Text(f"-{line}", "red") for line in _value_lines(change["before"])]
    if change["kind"] != "removed":
        lines += [Text(f"+{line}", "green") for line in _value_lines(change["after"])]
    return Text("\n").join(lines)


def _place(change: dict[str, Any]) -> str:
    if change["node"] is None:
        return str(change["path"])
    return f"nodes.{change['node']}" + (f".{change['path']}" if change["path"] else "")


def _value_lines(value: Any) -> list[str]:
    """An object key by key, anything else in one line."""
    if not isinstance(value, dict) or not value:
        return [_cut(value)]
    lines = [f"{key}: {_cut(item)}" for key, item in list(value.items())[:KEYS_MAX]]
    rest = len(value) - len(lines)
    return [*lines, f"… and {rest} more keys"] if rest else lines


def _cut(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LINE_CHARACTERS_MAX:
        return text
    return f"{text[:LINE_CHARACTERS_MAX]}… ({len(text)} characters)"
