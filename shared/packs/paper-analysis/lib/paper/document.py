"""A paper as text: pages in reading order, sections, references. Written by extract-text, read by all others."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paper.references import Reference
from paper.sections import Section


@dataclass(frozen=True)
class Page:
    """`number` is 1-based; offsets into `text` are what places in the paper are made of."""

    number: int
    text: str
    columns: int
    links: tuple[str, ...]
    scanned: bool


@dataclass(frozen=True)
class Document:
    pages: tuple[Page, ...]
    sections: tuple[Section, ...]
    references: tuple[Reference, ...]
    title: str
    left_out: int  # lines: running heads and page numbers

    def text_of(self, page: int) -> str:
        return self.pages[page - 1].text

    @property
    def scanned(self) -> list[int]:
        return [page.number for page in self.pages if page.scanned]


def write_document(document: Document, path: Path) -> str:
    path.write_text(json.dumps(asdict(document), ensure_ascii=False), encoding="utf-8")
    return str(path)


def load_document(path: Path) -> Document:
    said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Document(
        pages=tuple(Page(**{**page, "links": tuple(page["links"])}) for page in said["pages"]),
        sections=tuple(Section(**section) for section in said["sections"]),
        references=tuple(Reference(**reference) for reference in said["references"]),
        title=said["title"],
        left_out=said["left_out"],
    )
