"""Reads the documents: their code blocks, tables, links and names, for the tests that hold them to the product."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md"))
    if page.name != "states.md"  # generated, and tested where it is generated
)

_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks in `language`, "" for those that name none."""
    return [body for found, body in _BLOCK.findall(text) if found == language]


def prose(text: str) -> str:
    """The page without its code blocks."""
    return _BLOCK.sub("", text)


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first heading is `heading`, without its two heading lines."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return table


def names(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def links(text: str) -> list[tuple[str, str]]:
    """Targets on this site with their anchors; either may be empty."""
    return [(target, anchor) for target, anchor in _LINK.findall(prose(text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """The anchors that headings get: lower case, hyphens for spaces, no other marks."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
