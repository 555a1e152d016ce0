"""Opening a PDF, and saying precisely why one cannot be opened."""

import hashlib
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from penstock.agents import Invalid, LimitReached

PDF_BYTES_MAX = 100 * 1024 * 1024  # a paper with large figures has 30 MB; PDFium reads the file into memory
PAGES_MAX = 500  # a thesis has 300; at 0.2 s for a dense page the text takes 100 s
_HEADER_BYTES = 1024  # readers accept "%PDF-" anywhere in the first KiB


class NotPdf(Invalid):
    """The file is something else."""


class Broken(Invalid):
    """It began as a PDF, but cannot be read."""


class Encrypted(Invalid):
    """It wants a password."""


class TooLarge(LimitReached):
    """More bytes or pages than this pack reads."""


def open_paper(path: Path) -> pypdfium2.PdfDocument:
    """The document; raises NotPdf, Broken, Encrypted or TooLarge, which another attempt would not change."""
    _require_pdf(path)
    try:
        document = pypdfium2.PdfDocument(path)
        pages = len(document)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium.FPDF_ERR_PASSWORD:
            message = "the PDF is encrypted and wants a password; save a copy without one and give that"
            raise Encrypted(message) from error
        raise Broken(
            f"the PDF is damaged or cut off ({error}); download it again, or repair it with qpdf"
        ) from error
    if pages == 0:
        raise Broken("the PDF has no pages")
    if pages > PAGES_MAX:
        raise TooLarge(f"the PDF has {pages:,} pages, at most {PAGES_MAX:,} are read; split it")
    return document


def page_of(document: pypdfium2.PdfDocument, number: int) -> pypdfium2.PdfPage:
    """The page, counted from 1; raises Broken: a paper without one of its pages would be judged wrongly."""
    try:
        return document[number - 1]
    except pypdfium2.PdfiumError as error:
        raise Broken(
            f"page {number} of the PDF is damaged ({error}); download it again, or repair it with qpdf"
        ) from error


def _require_pdf(path: Path) -> None:
    if path.is_dir():
        raise NotPdf("paper: is a folder, expected one PDF file (-i paper=@paper.pdf)")
    if not path.is_file():
        raise NotPdf(f"paper: there is no file '{path.name}', expected a PDF (-i paper=@paper.pdf)")
    size = path.stat().st_size
    if size > PDF_BYTES_MAX:
        raise TooLarge(f"the PDF has {size:,} bytes, at most {PDF_BYTES_MAX:,} are read")
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if b"%PDF-" not in head:
        raise NotPdf(f"the file is no PDF: it begins with {head[:12]!r}, expected %PDF-")


def facts_of(path: Path, document: pypdfium2.PdfDocument) -> dict[str, Any]:
    """What the file says of itself; the title may be empty or what a word processor made up."""
    said = document.get_metadata_dict(skip_empty=True)
    width, height = page_of(document, 1).get_size()
    return {
        "sha256": _sha256(path),
        "bytes": path.stat().st_size,
        "pages": len(document),
        "pdf_version": f"{(document.get_version() or 0) / 10:.1f}",
        "tagged": bool(document.is_tagged()),
        "encrypted": pdfium.FPDF_GetSecurityHandlerRevision(document.raw) >= 0,
        "page_points": [round(width, 1), round(height, 1)],
        "metadata": {name: _printable(text) for name, text in said.items()},
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _printable(text: str) -> str:
    """PostgreSQL's JSON takes no NUL, and metadata holds whatever a program wrote."""
    return "".join(character if character.isprintable() else " " for character in text).strip()[:1000]
