"""What the rules make of requirements, which blueprint that means, and the contracts that follow."""

from pathlib import Path

import pytest

from penstock.agents import Invalid
from tests.packs.delivery_library import (
    PACK,
    analysed,
    analysis,
    analyst,
    blueprints,
    contract_checks,
    contracts,
    designing,
    document,
    requirement_rules,
    selection,
)

SAMPLES = sorted((PACK / "samples").glob("*.md"))


BOOK = "A book has a title (required), a year and a status (one of in/out)."


def one(sentence: str) -> analysis.Requirement:
    """What becomes of one sentence about books."""
    found = analysed(f"# Books\n\n{BOOK}\n\n- {sentence}\n")
    assert len(found.requirements) == 1, found.requirements
    return found.requirements[0]


def test_a_sentence_with_has_makes_a_resource_with_typed_fields() -> None:
    found = analysed(
        "# X\n\nA loan item has a due date (date, required), a fee (number, at least 0), a code (unique, at most 8 "
        "characters), a size (one of small, medium or large) and an urgent (yes or no).\n"
    )

    item = found.resources[0]
    assert (item.name, item.plural) == ("loan_item", "loan_items")
    assert item.fields == [
        analysis.Field("due_date", type="date", required=True),
        analysis.Field("fee", type="number", minimum=0),
        analysis.Field("code", unique=True, length_max=8),
        analysis.Field("size", choices=["small", "medium", "large"]),
        analysis.Field("urgent", type="boolean"),
    ]


@pytest.mark.parametrize(
    ("sentence", "covers"),
    [
        ("As a reader, I want to add and delete books, so that I see others.", ["createBook", "deleteBook"]),
        ("The service must list books by title and year.", ["listBooks"]),
        ("To lend a book changes its status from in to out.", ["lendBook"]),
        ("A book must not be deleted while its status is out.", ["deleteBook"]),
        ("The title of a book must be at most 50 characters.", ["createBook"]),
        ("It must be used from the command line.", ["binding:command"]),
        ("What was entered must survive a restart.", ["storage"]),
    ],
)
def test_a_sentence_is_covered_by_what_does_it(sentence: str, covers: list[str]) -> None:
    found = one(sentence)

    assert (found.covers, found.gap) == (covers, "")


@pytest.mark.parametrize(
    "sentence",
    [
        "The service must export all books as a spreadsheet.",
        "Users must not see books of others.",
        "Only librarians may delete books.",
        "The service must list books by colour.",
        "Books should be recommended by taste.",
        "The service must send a mail for a book.",
    ],
)
def test_what_the_rules_do_not_know_is_named_and_not_guessed(sentence: str) -> None:
    found = one(sentence)

    assert (found.covers, found.gap) == ([], requirement_rules.NEEDS_MODEL)


def test_a_property_that_is_not_understood_is_told() -> None:
    found = analysed("# X\n\nA book has a title (required, in Gothic letters).\n")

    assert [each.gap for each in found.gaps] == ["field title: 'in Gothic letters' is not understood"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Every order has to be logged.",
        "A reader has to log in.",
        "Der Dienst muss Bücher nach Jahr filtern.",
        "Als Leser möchte ich Bücher suchen.",
    ],
)
def test_what_only_looks_like_a_resource_or_is_german_is_not_lost(sentence: str) -> None:
    found = one(sentence)

    assert (found.covers, found.gap) == ([], requirement_rules.NEEDS_MODEL)
    assert [each.name for each in analysed(f"{BOOK}\n\n{sentence}").resources] == ["book"]


@pytest.mark.parametrize(
    ("field", "gap"),
    [
        ("a list of orders", "'a list of orders' is no field"),
        ("a stars (whole number, one of 1/2/3)", "field stars: 'one of' is understood of text only"),
    ],
)
def test_a_field_that_cannot_be_kept_is_told(field: str, gap: str) -> None:
    assert [each.gap for each in analysed(f"A book has a title and {field}.").gaps] == [gap]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("To raise a book changes its year from 1 to 2.", "raise: year is no text"),
        ("A book must not be deleted while its status is lost.", "'lost' is no value of status"),
        (
            "To return a book changes its status from in to out.\n\n"
            "To return a book changes its status from out to in.",
            "transition 'return' is there twice",
        ),
        ("A page has a number (whole number from 10 to 5).", "nothing is at least 10 and at most 5"),
        ("A page has a text (at most 3000000000 characters).", "expected at most 1 to 1,000,000 characters"),
        ("A\0B", "NUL"),
    ],
)
def test_what_no_software_could_pass_its_tests_for_is_refused_at_once(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        analyst.analyse(f"{BOOK.replace('a year', 'a year (whole number)')}\n\n{text}\n", model="none")


def test_only_an_artifact_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that names another file of the sandbox must not publish it."""
    (tmp_path / "in").mkdir()
    for name in ("secret.md", "in/given.md"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf# Of Windows\r\n\r\nA book has a title.\r\n")
    monkeypatch.setenv("PENSTOCK_IN", str(tmp_path / "in"))

    assert document.read(str(tmp_path / "in/given.md")).title == "Of Windows"
    for other in (tmp_path / "secret.md", tmp_path / "in/../secret.md"):
        assert document.read(str(other)).text == str(other)


def test_a_hostile_sentence_takes_no_time_and_is_told() -> None:
    found = analysed(f"{BOOK}\n\nthe a{' of a a' * 30_000}\n")

    assert [each.gap for each in found.gaps] == [requirement_rules.TOO_LONG]


@pytest.mark.parametrize(
    ("title", "package"),
    [
        ("Bücher für alle", "bucher_fur_alle"),
        ("图书馆", "the_delivery"),
        ("Test resources", "the_test_resources"),
        ("3 things", "the_3_things"),
    ],
)
def test_the_package_is_named_after_the_title_and_never_like_a_folder_of_the_team(
    title: str, package: str
) -> None:
    assert analysed(f"# {title}\n\n{BOOK}").package == package


def test_requirements_know_their_lines() -> None:
    text = "# X\n\nA book has a title.\n\n```\nIt must not.\n```\n- I must be able to add books.\n  We must fly.\n"

    assert [(each.id, each.line) for each in analysed(text).requirements] == [("R1", 8), ("R2", 9)]


def test_wrong_references_in_an_analysis_are_all_told() -> None:
    book = analysis.Resource(
        "Book", "books", [analysis.Field("title"), analysis.Field("title")], filters=["year"]
    )
    asked = analysis.Requirement("R1", "must", "Sell books.", 3, covers=["sellBook"])

    problems = analysis.problems_of(analysis.Analysis("X", "x", [book], [asked]))

    assert problems == [
        "resources.Book: 'Book' is no name: expected small letters, digits and _",
        "resources.Book: field 'title' is there twice",
        "resources.Book: no field is named 'year'",
        "requirements.R1: no operation is named 'sellBook'",
    ]


def test_a_document_without_things_says_what_to_write() -> None:
    with pytest.raises(Invalid, match="write 'A book has a title"):
        analyst.analyse("It must be fast.", model="none")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("must be offered over HTTP as a REST API", "crud-service"),
        ("must be a command line tool", "cli-tool"),
    ],
)
def test_the_words_of_the_requirements_choose_the_blueprint(words: str, name: str) -> None:
    found = analysed(f"# X\n\nA book has a title.\n\n- It {words}.\n")

    assert selection.select(found, language="python", model="none").name == name


def test_no_blueprint_that_scores_enough_is_a_failure_and_the_fallback_says_so() -> None:
    found = analysed("# X\n\nA book has a title.\n\n- I must be able to add books.\n")

    with pytest.raises(Invalid, match="no blueprint scores enough: cli-tool 0 of 3, crud-service 0 of 3"):
        selection.select(found, language="python", model="none")
    assert blueprints.fallback(found).name == "library"
    assert "the selection gave no blueprint" in blueprints.fallback(found).reason


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_four_contracts_of_a_sample_are_valid(sample: Path) -> None:
    found = analyst.analyse(sample.read_text(), model="none")

    designed = designing.design(found, model="none")

    assert [*designed] == ["api", "data", "events", "operations"]
    assert contract_checks.problems_of(designed, found) == []


def test_what_is_wrong_with_contracts_is_told_with_its_place() -> None:
    found = analysed("# Books\n\nA book has a title (required).\n")
    designed = contracts.design(found)
    del designed["api"]["info"]["version"]
    designed["data"]["components"]["schemas"]["Book"]["type"] = "thing"
    del designed["events"]

    told = "\n".join(contract_checks.problems_of(designed, found))

    assert "events: the contract is missing" in told
    assert 'api: info: "version" is a required property' in told
    assert "'thing' is not valid" in told


def test_contracts_that_do_not_agree_are_told() -> None:
    found = analysed("# Books\n\nA book has a title (required).\n")
    designed = contracts.design(found)
    designed["data"]["components"]["schemas"]["Book"] = {"type": "object"}
    del designed["api"]["paths"]["/books/{id}"]

    assert contract_checks.problems_of(designed, found) == [
        "api: paths: operation 'readBook' is missing",
        "api: components.schemas.Book is not what the contract 'data' says",
    ]
