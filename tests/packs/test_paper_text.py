"""paper-analysis reads PDFs as people do, and says precisely why it cannot read one."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from paper.document import Document, load_document, write_document
from paper.opening import Broken, Encrypted, NotPdf, TooLarge, facts_of, open_paper
from paper.reading import read_document
from reportlab.lib.pdfencrypt import StandardEncryption

from penstock.agents import Invalid
from tests.packs import paper_agents as agents
from tests.packs.papers import QUEUES, SAMPLE, Paper, write_paper, write_scan

LOCKED = {"canPrint": 0, "canModify": 0, "canCopy": 0, "canAnnotate": 0}


def read(path: Path) -> Document:
    return read_document(open_paper(path))


def words(document: Document) -> list[str]:
    return " ".join(page.text for page in document.pages).split()


def long_paper(pages: int = 2) -> Paper:
    numbered = [f"w{_letters(number)}" for number in range(60 * 14 * pages)]
    paragraphs = tuple(" ".join(numbered[start : start + 60]) for start in range(0, len(numbered), 60))
    return Paper("A Paper of Many Words in a Row", "Short.", (("1 Introduction", paragraphs),))


def _letters(number: int) -> str:
    """Digits as letters: lines that differ in digits only are page numbers to a reader."""
    return str(number).translate(str.maketrans("0123456789", "abcdefghij")).rjust(9, "z")


def test_columns_are_read_one_after_the_other_however_the_file_holds_them(tmp_path: Path) -> None:
    in_order = read(write_paper(tmp_path / "a.pdf", long_paper()))
    by_rows = read(write_paper(tmp_path / "b.pdf", long_paper(), by_rows=True))

    numbered = [word for word in words(by_rows) if re.fullmatch(r"wz[a-z]+", word)]
    assert numbered == [f"w{_letters(number)}" for number in range(60 * 28)]
    assert words(by_rows) == words(in_order)
    assert {page.columns for page in by_rows.pages} == {2}


def test_one_column_stays_one(tmp_path: Path) -> None:
    document = read(write_paper(tmp_path / "a.pdf", long_paper(), columns=1))

    assert {page.columns for page in document.pages} == {1}


def test_title_sections_and_references_are_recognised_and_page_numbers_left_out() -> None:
    document = read(SAMPLE)

    kinds = [section.kind for section in document.sections]
    assert document.title == QUEUES.title
    assert kinds == [
        "abstract", "introduction", "methods", "results", "limitations", "availability", "funding", "references",
    ]  # fmt: skip
    assert [reference.label for reference in document.references] == ["1", "2", "3", "4", "5"]
    assert "doi:10.1234/letters.2015.44" in document.references[-1].text
    assert document.left_out == 1
    for section in document.sections:
        assert section.title in document.text_of(section.page)[section.start :][: len(section.title) + 4]


def test_a_document_is_the_same_after_its_file(tmp_path: Path) -> None:
    document = read(SAMPLE)

    assert load_document(Path(write_document(document, tmp_path / "document.json"))) == document


def test_the_sample_is_what_the_tests_make(tmp_path: Path) -> None:
    made = write_paper(tmp_path / "a.pdf", QUEUES, annotations=("https://github.com/example/queue-speed",))

    assert read(made) == read(SAMPLE)
    assert SAMPLE.stat().st_size < 100_000


def test_facts_of_a_file(tmp_path: Path) -> None:
    path = write_paper(tmp_path / "a.pdf", replace(QUEUES, title="A\0title\nwith <b>"))

    facts = facts_of(path, open_paper(path))

    assert (facts["pages"], facts["encrypted"], len(facts["sha256"])) == (1, False, 64)
    assert "\0" not in facts["metadata"]["Title"]


def test_a_password_is_asked_for_and_a_lock_without_one_is_opened(tmp_path: Path) -> None:
    closed = write_paper(tmp_path / "a.pdf", QUEUES, encrypt=StandardEncryption("secret", strength=128))
    locked = write_paper(
        tmp_path / "b.pdf", QUEUES, encrypt=StandardEncryption("", "owner", **LOCKED, strength=128)
    )

    with pytest.raises(Encrypted, match="wants a password; save a copy"):
        open_paper(closed)
    assert facts_of(locked, open_paper(locked))["encrypted"] is True
    assert read(locked).title == QUEUES.title


def test_what_is_no_pdf_is_refused_with_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><html>")
    (tmp_path / "empty.pdf").write_bytes(b"")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n" + b"nothing of use\n" * 200)

    with pytest.raises(NotPdf, match="begins with b'<!doctype"):
        open_paper(tmp_path / "page.html")
    with pytest.raises(NotPdf):
        open_paper(tmp_path / "empty.pdf")
    with pytest.raises(NotPdf, match="is a folder"):
        open_paper(tmp_path)
    with pytest.raises(Broken, match="damaged or cut off"):
        open_paper(tmp_path / "broken.pdf")


def test_a_cut_off_file_is_read_as_far_as_it_goes_or_refused(tmp_path: Path) -> None:
    whole = write_paper(tmp_path / "a.pdf", long_paper()).read_bytes()
    for share in (10, 50, 90, 99):
        path = tmp_path / f"{share}.pdf"
        path.write_bytes(whole[: len(whole) * share // 100])
        try:
            read(path)
        except Broken:
            continue


def test_a_page_that_cannot_be_loaded_is_named_and_not_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R 9 0 R]/Count 2>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]>>endobj\ntrailer<</Root 1 0 R/Size 4>>\n"
    )

    with pytest.raises(Broken, match=r"page 2 of the PDF is damaged .*; download it again"):
        read(path)


def test_too_many_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_paper(tmp_path / "a.pdf", long_paper())
    monkeypatch.setattr("paper.opening.PAGES_MAX", 2)

    with pytest.raises(TooLarge, match=r"has \d pages, at most 2 are read"):
        open_paper(path)


def test_scanned_pages_are_told_and_a_paper_of_nothing_else_is_refused(tmp_path: Path) -> None:
    some = write_scan(tmp_path / "some.pdf", pages=2, text="This page has words of its own")
    only = write_scan(tmp_path / "only.pdf", pages=2)

    assert read(some).scanned == [2, 3]
    with pytest.raises(Invalid, match="all 2 pages are pictures; make text of them first"):
        agents.load("paper-text")(paper=only, facts={})
