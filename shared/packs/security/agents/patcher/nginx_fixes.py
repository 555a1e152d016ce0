"""Fixes in nginx configuration: missing headers, and settings that are wrong by themselves."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crossplane
from outcome import Fixed, Left, Wanted

Directive = dict[str, Any]
Values = Mapping[str, str]
Asked = tuple[Wanted, Mapping[str, Any]]  # what is wanted, with the finding's data

_SETTINGS = {
    "nginx/old-tls": (re.compile(r"ssl_protocols\s[^;]*;"), "ssl_protocols TLSv1.2 TLSv1.3;"),
    "nginx/server-tokens": (re.compile(r"server_tokens\s+on\s*;"), "server_tokens off;"),
}
RULES = frozenset({"nginx/headers-dropped", *_SETTINGS})


@dataclass(frozen=True)
class Insertion:
    """Headers to add right inside the block that opens at `line`."""

    line: int
    headers: Values


def fix(text: str, wanted: Sequence[Asked], *, path: Path) -> tuple[str, list[Fixed], list[Left]]:
    """The changed text, what was fixed, and what was left with the reason."""
    lines = text.split("\n")
    results = [_set(item, lines) for item, _ in wanted if item.rule in _SETTINGS]
    headers = [(item, data) for item, data in wanted if item.rule not in _SETTINGS]
    inserted = set()
    for insertion in sorted(_insertions(_parsed(path), headers=headers), key=lambda one: -one.line):
        if _insert(insertion, lines):
            inserted.add(insertion.line)
    results += [_result(item, data, is_done=item.line in inserted) for item, data in headers]
    fixed = [result for result in results if isinstance(result, Fixed)]
    return "\n".join(lines), fixed, [result for result in results if isinstance(result, Left)]


def _set(item: Wanted, lines: list[str]) -> Fixed | Left:
    pattern, better = _SETTINGS[item.rule]
    changed, times = pattern.subn(better, lines[item.line - 1])
    if not times:
        return Left(item, "the setting goes over several lines")
    lines[item.line - 1] = changed
    return Fixed(item, f"now {better}")


def _result(item: Wanted, data: Mapping[str, Any], *, is_done: bool) -> Fixed | Left:
    if is_done:
        return Fixed(item, f"add_header {', '.join(data['set'])}")
    return Left(item, "the block does not open on a line of its own")


def _parsed(path: Path) -> list[Directive]:
    payload = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    return list(payload["config"][0]["parsed"])


def _insertions(block: Sequence[Directive], *, headers: Sequence[Asked]) -> Iterator[Insertion]:
    for directive in block:
        if directive["directive"] == "server":
            yield from _in_server(directive, headers=headers)
        else:
            yield from _insertions(directive.get("block", []), headers=headers)


def _in_server(server: Directive, *, headers: Sequence[Asked]) -> Iterator[Insertion]:
    """What the server is missing, and then its locations: one header of their own ends the inheritance."""
    added: dict[str, str] = {}
    for item, data in headers:
        if item.line == server["line"]:
            added |= {_written(name): value for name, value in data.get("inherited", {}).items()} | data[
                "set"
            ]
    if added:
        yield Insertion(line=server["line"], headers=added)
    yield from _in_locations(
        server["block"], {**_own(server), **added}, headers=headers, is_changed=bool(added)
    )


def _in_locations(
    block: Sequence[Directive], outer: Values, *, headers: Sequence[Asked], is_changed: bool
) -> Iterator[Insertion]:
    for location in block:
        if location["directive"] != "location":
            continue
        own = _own(location)
        due = {**_asked(headers, line=location["line"]), **(outer if is_changed else {})}
        known = {name.lower() for name in own}
        lacking = {name: value for name, value in due.items() if own and name.lower() not in known}
        if lacking:
            yield Insertion(line=location["line"], headers=lacking)
        inside = {**own, **lacking} if own else outer
        yield from _in_locations(
            location["block"], inside, headers=headers, is_changed=is_changed or bool(lacking)
        )


def _asked(headers: Sequence[Asked], *, line: int) -> dict[str, str]:
    return {name: value for item, data in headers if item.line == line for name, value in data["set"].items()}


def _own(block: Directive) -> dict[str, str]:
    found = [
        item["args"] for item in block["block"] if item["directive"] == "add_header" and len(item["args"]) > 1
    ]
    return {arguments[0]: arguments[1] for arguments in found}


def _written(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _insert(insertion: Insertion, lines: list[str]) -> bool:
    """Whether the headers could be put in."""
    opening = _opening(insertion.line, lines)
    if opening is None:
        return False
    indent = _indent(lines, opening)
    end = "\r" if lines[opening].endswith("\r") else ""
    settings = [f"add_header {name} {_quoted(value)} always;" for name, value in insertion.headers.items()]
    lines[opening + 1 : opening + 1] = [f"{indent}{setting}{end}" for setting in settings]
    return True


def _opening(line: int, lines: Sequence[str]) -> int | None:
    """The index of the line that ends with the block's brace."""
    for index in range(line - 1, min(line + 1, len(lines))):
        code = lines[index].split("#")[0].rstrip()
        if code.endswith("{"):
            return index
        if "{" in code:
            return None
    return None


def _indent(lines: Sequence[str], opening: int) -> str:
    """One step deeper than the block, in the file's own way."""
    outer = re.match(r"\s*", lines[opening])
    following = next((re.match(r"[ \t]*", line) for line in lines[opening + 1 :] if line.strip()), None)
    base = outer[0] if outer else ""
    return following[0] if following and len(following[0]) > len(base) else base + "    "


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
