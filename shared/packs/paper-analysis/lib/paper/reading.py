"""Reading a PDF into a document: words, lines, sections; without running heads and page numbers."""

from collections import Counter
from dataclasses import dataclass

import pypdfium2

from paper.document import Document, Page
from paper.glyphs import annotated_links, has_images, words_of
from paper.layout import Line, lines_of
from paper.opening import page_of
from paper.references import references_in
from paper.sections import sections_in

_EDGE = 0.09  # of the page's height: what repeats here from page to page is no text of the paper
_REPEATED_MIN = 3
_SCANNED_CHARACTERS_MAX = 24  # a scan may have a stamp or a page number


@dataclass(frozen=True)
class _Read:
    lines: list[Line]
    height: float
    columns: int
    links: tuple[str, ...]
    images: bool


def read_document(opened: pypdfium2.PdfDocument, *, title: str = "") -> Document:
    """The text of all pages. `title` is what the metadata says; the page itself is believed first."""
    read = [_read_page(opened, page_of(opened, number)) for number in range(1, len(opened) + 1)]
    repeated = _repeated(read)
    pages, kept = [], []
    for number, page in enumerate(read, start=1):
        lines = [line for line in page.lines if not _is_furniture(line, page, repeated)]
        text = "\n".join(line.text for line in lines)
        scanned = len(text) <= _SCANNED_CHARACTERS_MAX and page.images
        pages.append(Page(number, text, page.columns, page.links, scanned))
        kept.append(lines)
    sections = sections_in(kept)
    texts = [page.text for page in pages]
    return Document(
        pages=tuple(pages),
        sections=tuple(sections),
        references=tuple(references_in(texts, sections)),
        title=_title(kept[0]) or title,
        left_out=sum(len(page.lines) for page in read) - sum(map(len, kept)),
    )


def _read_page(opened: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> _Read:
    width, height = page.get_size()
    lines, columns = lines_of(words_of(page), width=width)
    return _Read(lines, height, columns, tuple(annotated_links(opened, page)), has_images(page))


def _repeated(read: list[_Read]) -> set[str]:
    """Lines at the upper and lower edges that are on several pages, whatever their numbers."""
    seen = Counter(
        text for page in read for text in {_shape(line) for line in page.lines if _is_at_edge(line, page)}
    )
    return {text for text, pages in seen.items() if pages >= max(_REPEATED_MIN, len(read) // 3)}


def _is_furniture(line: Line, page: _Read, repeated: set[str]) -> bool:
    return _is_at_edge(line, page) and (_shape(line) in repeated or line.text.strip("-– ").isdecimal())


def _is_at_edge(line: Line, page: _Read) -> bool:
    return not _EDGE * page.height < line.base < (1 - _EDGE) * page.height and line.column != 3


def _shape(line: Line) -> str:
    return "".join("0" if character.isdecimal() else character for character in line.text)


def _title(lines: list[Line]) -> str:
    """The lines in the largest letters of the first page's upper half; "" if none stand out."""
    upright = [line for line in lines if line.column != 3 and len(line.text) > 3]
    if not upright:
        return ""
    heights = sorted(line.height for line in upright)
    largest = heights[-1]
    if largest < 1.15 * heights[len(heights) // 2]:
        return ""
    titles = [line.text for line in upright if line.height >= 0.95 * largest]
    return " ".join(titles[:4])[:300]
