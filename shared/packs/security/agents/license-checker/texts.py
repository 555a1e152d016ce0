"""Licenses that files of the tree carry: whole texts (LICENSE, COPYING) and SPDX tags in source files."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

import expressions
from guard.tree import SourceFile
from item import Item
from spdx_matcher import analyse_license_text

TEXT_CHARS_MAX = 120_000  # the longest license text is a third of it; matching is by regular expressions
TEXTS_MAX = 60  # a text that is not quite a known one takes seconds
TAG_LINES = 30  # the tag belongs at the top

_TEXT_NAME = re.compile(
    r"^(licen[cs]es?|copying(\.lesser)?|unlicense)([._-].*)?$|.*[._-]licen[cs]e(\.(txt|md|rst))?$"
)
_CODE = (".py", ".js", ".ts", ".go", ".rs", ".c", ".h", ".cpp", ".java", ".rb", ".sh", ".php", ".cs")
_TAGGED = (".html", ".toml", ".yaml", ".yml")
_TAG = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9 .+()-]+)")
_VARIANT = re.compile(r"-(only|or-later|invariants.*|no-.*)$")


def is_text(file: SourceFile) -> bool:
    name = PurePosixPath(file.name).name.lower()
    is_other = file.suffix in (*_CODE, ".yaml", ".yml")  # such as license-policy.yaml
    return not is_other and _TEXT_NAME.match(name) is not None


def of_texts(files: Sequence[SourceFile]) -> Iterator[Item]:
    texts = [file for file in files if is_text(file)]
    for file in texts[:TEXTS_MAX]:
        alternatives = recognised(file.text())
        yield Item(
            kind="file",
            name=file.name,
            alternatives=alternatives,
            evidence="the license's text" if alternatives else "no known license's text",
            file=file.name,
            line=1,
        )


def of_file(path: Path) -> tuple[str, ...]:
    try:
        return recognised(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ()


@cache
def recognised(text: str) -> tuple[str, ...]:
    """The SPDX expressions that the text can be: GPL "only" and "or later", for example, share one."""
    if len(text) > TEXT_CHARS_MAX or not text.strip():
        return ()
    matches, _ = analyse_license_text(text)
    families: dict[str, list[str]] = defaultdict(list)
    for name in sorted(matches["licenses"]):
        families[_VARIANT.sub("", name)].append(name)
    if len(families) == 1:
        return tuple(_plainest(*families.values()))
    return (" AND ".join(_plainest(names)[0] for names in families.values()),) if families else ()


def _plainest(names: Sequence[str]) -> list[str]:
    """Without the variants that only exclude something ("-no-copyleft-exception")."""
    return [name for name in names if "-no-" not in name and "invariants" not in name] or list(names)


def of_tags(files: Sequence[SourceFile]) -> tuple[list[Item], int]:
    """One item for each license that tags name, with its files; and how many code files have no tag."""
    tagged: dict[str, list[tuple[str, int]]] = defaultdict(list)
    without = 0
    for file in files:
        found = list(_tags(file)) if file.suffix in (*_CODE, *_TAGGED) else []
        without += file.suffix in _CODE and not found
        for text, line in found[:1]:
            tagged[text].append((file.name, line))
    return [_tag_item(text, places) for text, places in sorted(tagged.items())], without


def _tags(file: SourceFile) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(file.text().splitlines()[:TAG_LINES], start=1):
        match = _TAG.search(line)
        if match:
            yield match[1].strip().removesuffix("--").strip(), number


def _tag_item(text: str, places: Sequence[tuple[str, int]]) -> Item:
    first, *others = places
    return Item(
        kind="header",
        name=f"{first[0]} and {len(others)} more" if others else first[0],
        alternatives=expressions.readings(text),
        written=text,
        evidence="SPDX-License-Identifier",
        file=first[0],
        line=first[1],
    )
