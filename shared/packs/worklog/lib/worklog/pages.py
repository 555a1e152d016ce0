"""Writes documents as Markdown and HTML files into the attempt's folder."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from penstock.agents import context

_FOLDER = Path(__file__).parent / "pages"


def write_pages(name: str, **facts: Any) -> dict[str, str]:
    """`markdown` and `html`: paths of the files, which become artifacts."""
    folder = Path(context.out_folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for label, suffix in (("markdown", "md"), ("html", "html")):
        page = _environment(is_html=suffix == "html").get_template(f"{name}.{suffix}").render(**facts)
        path = folder / f"{name}.{suffix}"
        path.write_text(page)
        written[label] = str(path)
    return written


def _environment(*, is_html: bool) -> Environment:
    """What people wrote is escaped: it is data, in HTML and in Markdown."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=is_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = _plain
    return environment


def _plain(text: str) -> str:
    """On one line, and without what would be Markdown's or HTML's own."""
    escaped = "".join(f"\\{character}" if character in "\\`*_[]<>|#" else character for character in text)
    return " ".join(escaped.split())
