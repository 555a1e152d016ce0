"""The agent paper-text: the text of a PDF in reading order, with its sections and references."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from paper.document import Document, write_document
from paper.handing import out
from paper.opening import open_paper
from paper.reading import read_document

from penstock.agents import Invalid, agent, context

SECTIONS_MAX = 100  # inline; the file has all


@agent
def text(paper: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """The pages' text, columns one after the other."""
    said = facts.get("metadata", {}).get("Title", "")
    document = read_document(open_paper(paper), title=said)
    _require_text(document)
    context.log(f"{_characters(document):,} characters; pages without text: {document.scanned or 'none'}")
    plain = out("paper.txt")
    plain.write_text("\n\f\n".join(page.text for page in document.pages), encoding="utf-8")
    return {
        "document": write_document(document, out("document.json")),
        "text": str(plain),
        "facts": facts,
        "title": document.title,
        "pages": len(document.pages),
        "characters": _characters(document),
        "two_column_pages": sum(page.columns == 2 for page in document.pages),
        "scanned": document.scanned,
        "sections": [asdict(section) for section in document.sections[:SECTIONS_MAX]],
        "references": len(document.references),
        "left_out": document.left_out,
    }


def _require_text(document: Document) -> None:
    if not any(page.text.strip() for page in document.pages):
        said = "are pictures" if document.scanned else "have no text"
        raise Invalid(f"all {len(document.pages)} pages {said}; make text of them first, e.g. with ocrmypdf")


def _characters(document: Document) -> int:
    return sum(len(page.text) for page in document.pages)


if __name__ == "__main__":
    text.main()
