"""What the rules make of requirements, which blueprint that means, and the contracts that follow."""

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
def test_the_four_contracts_of_a_sample_are_valid(sample: object) -> None:
    found = analyst.analyse(str(sample), model="none")

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
