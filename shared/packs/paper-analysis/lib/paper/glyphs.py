"""From PDFium: the words of a page with their boxes, and the links that lie on it."""

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium

from paper.layout import Word

CHARACTERS_MAX = 60_000  # of one page; a dense one has 8,000, and a drawing made of text may have millions
_TURNED_RADIANS = 0.1
_JUMP = 0.35  # of the letters' height: a wider gap ends the word even without a space
_URI_BYTES_MAX = 4096


@dataclass(frozen=True)
class _Glyph:
    text: str
    left: float
    right: float
    base: float
    height: float
    turned: bool


def words_of(page: pypdfium2.PdfPage) -> list[Word]:
    """In the order of the page's content, which need not be the order of reading."""
    words: list[Word] = []
    pending: list[_Glyph] = []
    for glyph in _glyphs(page):
        if pending and (glyph is None or _is_apart(pending[-1], glyph)):
            words.append(_word(pending))
            pending = []
        if glyph is not None:
            pending.append(glyph)
    return [*words, _word(pending)] if pending else words


def annotated_links(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> list[str]:
    """The addresses of the page's link annotations, once each, in their order."""
    position, link = ctypes.c_int(0), pdfium.FPDF_LINK()
    found: dict[str, None] = {}
    while pdfium.FPDFLink_Enumerate(page.raw, position, link):
        action = pdfium.FPDFLink_GetAction(link)
        if action and pdfium.FPDFAction_GetType(action) == pdfium.PDFACTION_URI:
            length = pdfium.FPDFAction_GetURIPath(document.raw, action, None, 0)
            if 1 < length <= _URI_BYTES_MAX:
                buffer = ctypes.create_string_buffer(length)
                pdfium.FPDFAction_GetURIPath(document.raw, action, buffer, length)
                found[buffer.value.decode("utf-8", "replace")] = None
    return list(found)


def has_images(page: pypdfium2.PdfPage) -> bool:
    return next(iter(page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_IMAGE,), max_depth=3)), None) is not None


def _glyphs(page: pypdfium2.PdfPage) -> Iterator[_Glyph | None]:
    """The letters; None where a word ends."""
    text = page.get_textpage()
    count = min(max(pdfium.FPDFText_CountChars(text.raw), 0), CHARACTERS_MAX)
    x, y, box = ctypes.c_double(), ctypes.c_double(), pdfium.FS_RECTF()
    high = 0
    for index in range(count):
        code = pdfium.FPDFText_GetUnicode(text.raw, index)
        if 0xD800 <= code < 0xDC00:  # PDFium tells what lies beyond 16 bits in two halves
            high = code
            continue
        if 0xDC00 <= code < 0xE000 and high:
            code, high = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00), 0
        letter = _letter(code)
        # Spaces and breaks are dropped, also those that PDFium made up; a hyphen at a line's end stays.
        if letter != "-" and (not letter or pdfium.FPDFText_IsGenerated(text.raw, index) == 1):
            yield None
            continue
        pdfium.FPDFText_GetCharOrigin(text.raw, index, x, y)
        pdfium.FPDFText_GetLooseCharBox(text.raw, index, box)
        angle = pdfium.FPDFText_GetCharAngle(text.raw, index)
        turned = _TURNED_RADIANS < angle % (2 * math.pi) < 2 * math.pi - _TURNED_RADIANS
        height = max(abs(box.top - box.bottom), 1.0)
        yield _Glyph(letter, min(box.left, box.right), max(box.left, box.right), y.value, height, turned)


def _letter(code: int) -> str:
    """The character; "" for spaces and for what nobody can read. PDFium marks soft hyphens with U+FFFE or 2."""
    if code in (0x2, 0xFFFE, 0xAD):
        return "-"
    if code <= 0x20 or code in (0xA0, 0xFFFF, 0xFFFD) or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return ""
    character = chr(code)
    return character if character.isprintable() and not character.isspace() else ""


def _is_apart(before: _Glyph, after: _Glyph) -> bool:
    if before.turned or after.turned:  # along a turned line nothing is known but the spaces
        return before.turned != after.turned
    height = max(before.height, after.height)
    gap = after.left - before.right
    return abs(after.base - before.base) > 0.6 * height or gap > _JUMP * height or gap < -1.5 * height


def _word(glyphs: list[_Glyph]) -> Word:
    return Word(
        text="".join(glyph.text for glyph in glyphs),
        left=min(glyph.left for glyph in glyphs),
        right=max(glyph.right for glyph in glyphs),
        base=sorted(glyph.base for glyph in glyphs)[len(glyphs) // 2],
        height=max(glyph.height for glyph in glyphs),
        turned=glyphs[0].turned,
    )
