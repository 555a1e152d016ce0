"""Fixes in requirements files: a vulnerable pinned version becomes the lowest later one that nothing affects."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from guard import advisories, requirements
from guard.advisories import Affected, Package, key_of
from outcome import Fixed, Left, Wanted

ECOSYSTEM = "PyPI"
Asked = tuple[Wanted, Mapping[str, Any]]  # what is wanted, with the finding's data
Known = Mapping[str, Sequence[tuple[str, Sequence[Affected]]]]  # by package: (vulnerability, whom it affects)


def known_of(told: Iterable[Mapping[str, Any]]) -> Known:
    """What vulnerability-checker told of the vulnerable packages."""
    return {
        package["name"]: [
            (one["id"], msgspec.convert(one["affected"], tuple[Affected, ...]))
            for one in package["advisories"]
        ]
        for package in told
        if package["ecosystem"] == ECOSYSTEM
    }


def fix(text: str, wanted: Sequence[Asked]) -> tuple[str, list[Fixed], list[Left]]:
    """The changed text, what was fixed, and what was left with the reason."""
    lines = text.split("\n")
    fixed: list[Fixed] = []
    left: list[Left] = []
    done: dict[int, str] = {}  # several vulnerabilities of one line are answered by one upgrade
    for item, data in wanted:
        place = item.line - 1
        if place not in done:
            changed = _raised(lines[place], data)
            if changed is None:
                left.append(Left(item, _why_not(lines[place], data)))
                continue
            lines[place] = done[place] = changed
        fixed.append(Fixed(item, f"{data['name']} {data['version']} became {data['upgrade']}"))
    return "\n".join(lines), fixed, left


def _raised(line: str, data: Mapping[str, Any]) -> str | None:
    if data["upgrade"] is None or "--hash" in line or line.rstrip().endswith("\\"):
        return None
    pattern = re.compile(rf"(===?\s*){re.escape(data['version'])}(?![\w.*+!-])")
    changed, times = pattern.subn(lambda match: match[1] + data["upgrade"], line, count=1)
    return changed if times else None


def _why_not(line: str, data: Mapping[str, Any]) -> str:
    if data["upgrade"] is None:
        return "no later version is known that none of the advisories affects"
    if "--hash" in line or line.rstrip().endswith("\\"):
        return f"its hashes have to be made again for {data['upgrade']}, from the package index"
    return "the version is not written in that line"


def count(name: str, text: str, *, known: Known) -> Counter[tuple[str, str]]:
    """Which vulnerabilities the pinned versions of a requirements file have: the check's own rule, again."""
    found: Counter[tuple[str, str]] = Counter()
    for line in requirements.lines(text):
        _, package = key_of(Package(ECOSYSTEM, line.wanted.name))
        for identity, parts in known.get(package, ()) if line.version else ():
            if advisories.is_affected(parts, ecosystem=ECOSYSTEM, version=line.version):
                found[f"osv/{identity}", name] += 1
    return found
