"""The proof: the same checks before and after. A fix counts as proven when its finding is gone."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import crossplane
import lint_fixes
import upgrades
from guard import requirements
from guard.insecure import checked
from outcome import Fixed
from upgrades import Known

Counts = Counter[tuple[str, str]]  # (rule, file) → how often

_IGNORED = {
    "bandit/B603",
    "bandit/B607",
    "ruff/S603",
    "ruff/S607",
}  # a command without a shell always has these
_HEADERS = (
    "content-security-policy",
    "strict-transport-security",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
)


def measure(root: Path, names: Sequence[str], *, known: Known) -> Counts:
    """What is wrong with the files below `root`, rule by rule."""
    paths = [root / name for name in names]
    python = [path for path in paths if path.suffix in (".py", ".pyi")]
    counts = _bandit(root, python) + lint_fixes.count(root, python)
    for path in paths:
        name = path.relative_to(root).as_posix()
        if requirements.is_mine(name):
            counts += upgrades.count(name, path.read_bytes().decode("utf-8"), known=known)
            continue
        rules = _cookies(path) if path in python else _nginx(path)
        counts.update((rule, name) for rule in rules)
    return Counter({key: number for key, number in counts.items() if key[0] not in _IGNORED})


def proven(fixed: Sequence[Fixed], *, before: Counts, after: Counts) -> list[Fixed]:
    """The fixes, each marked with whether its findings are gone from its file."""
    asked = Counter((fix.wanted.rule, fix.wanted.file) for fix in fixed)
    gone = {key for key, number in asked.items() if after[key] <= before[key] - number and before[key]}
    return [replace(fix, is_proven=(fix.wanted.rule, fix.wanted.file) in gone) for fix in fixed]


def worsened(before: Counts, after: Counts) -> dict[str, set[str]]:
    """Files where something is wrong that was not before, with the rules."""
    found: dict[str, set[str]] = {}
    for (rule, name), number in after.items():
        if number > before[rule, name]:
            found.setdefault(name, set()).add(rule)
    return found


def _bandit(root: Path, paths: Sequence[Path]) -> Counts:
    found_issues = checked(paths).get_issue_list()
    issues = [(f"bandit/{found.test_id}", Path(found.fname)) for found in found_issues]
    return Counter((rule, path.relative_to(root).as_posix()) for rule, path in issues)


def _cookies(path: Path) -> Iterator[str]:
    source = path.read_bytes()
    if source.isascii() and b"set_cookie" not in source:
        return
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(module):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "set_cookie"
        ):
            given = {keyword.arg for keyword in node.keywords}
            if not {"secure", "httponly", "samesite"} <= given and None not in given:
                yield "python/cookie-flags"


def _nginx(path: Path) -> Iterator[str]:
    payload = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    yield from _in_block(payload["config"][0]["parsed"], outer=set())


def _in_block(block: Sequence[dict[str, Any]], *, outer: set[str]) -> Iterator[str]:
    """The rules broken in a block, by nginx's rule that one add_header of its own ends the inheritance."""
    for directive in block:
        name, arguments = directive["directive"], directive["args"]
        if name == "ssl_protocols" and {"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"} & {*arguments}:
            yield "nginx/old-tls"
        if name == "server_tokens" and arguments == ["on"]:
            yield "nginx/server-tokens"
        inside = directive.get("block", [])
        own = {
            item["args"][0].lower() for item in inside if item["directive"] == "add_header" and item["args"]
        }
        sent = own or outer
        if name == "server":
            yield from (f"headers/{header}-missing" for header in _HEADERS if header not in sent)
        if name == "location" and own and outer & {*_HEADERS} - own:
            yield "nginx/headers-dropped"
        yield from _in_block(inside, outer=sent)
