"""`penstock store`, and stores in `penstock apply` and `validate`, against a real Penstock."""

import pytest

from penstock_cli.api import Api
from penstock_cli.commands.up import apply_packs
from tests.cli.conftest import Shell

STORE = """
name: shelf
description: Books
tables:
  books:
    row: {type: object, required: [title], properties: {title: {type: string}, pages: {type: integer}}}
"""
WORKFLOW = "name: dust\nnodes: {press: {agent: press, with: {text: dust}}}\n"


@pytest.fixture
def shelf(penstock: Shell) -> Shell:
    (penstock.folder / "pack").mkdir()
    penstock.write("pack/store.yaml", STORE)
    penstock.write("pack/dust.yaml", WORKFLOW)
    applied = penstock("apply", "pack", "-o", "json")
    assert applied.code == 0, applied.err
    assert [document["name"] for document in applied.document] == ["shelf", "dust"]
    for row in penstock("store", "rows", "shelf", "books", "-o", "json").document["items"]:
        assert penstock("store", "rm", "shelf", "books", row["key"]).code == 0
    return penstock


def test_a_folder_is_checked_and_applied_with_its_store(shelf: Shell) -> None:
    shelf.write("pack/store.yaml", STORE.replace("type: string", "type: strin"))

    checked = shelf("validate", "pack")
    applied = shelf("apply", "pack")

    assert (checked.code, applied.code) == (1, 1)
    for said in (checked.err, applied.err):
        assert "pack/store.yaml:6: error: tables.books.row.properties.title.type: unknown JSON type" in said


def test_brackets_in_a_row_are_text(shelf: Shell) -> None:
    shelf("store", "put", "shelf", "books", "[red]", '{"title": "- [x] done [/b]"}')

    table = shelf("store", "rows", "shelf", "books")

    assert table.code == 0, table.err
    assert "[red]" in table.out
    assert "- [x] done [/b]" in table.out


def test_rows_are_put_shown_and_removed(shelf: Shell) -> None:
    shelf("store", "put", "shelf", "books", "emma", '{"title": "Emma", "pages": 400}', "--by", "eve")
    shelf("store", "put", "shelf", "books", "kim", '{"title": "Kim", "pages": 300}')

    table = shelf("store", "rows", "shelf", "books", "-w", "pages>300", "--order", "pages")
    row = shelf("store", "get", "shelf", "books", "emma", "-o", "json").document
    removed = shelf("store", "rm", "shelf", "books", "kim")
    refused = shelf("store", "put", "shelf", "books", "kim", '{"titel": "Kim"}')

    assert "Emma" in table.out
    assert "Kim" not in table.out
    assert (row["value"]["pages"], row["by"]) == (400, "eve")
    assert "is gone" in removed.err
    assert "'title' is missing" in refused.err
    assert "shelf" in shelf("store", "ls").out
    assert "books" in shelf("store", "ls", "shelf").out


@pytest.mark.parametrize("name", ["books.jsonl", "books.csv"])
def test_what_was_exported_can_be_imported(shelf: Shell, name: str) -> None:
    for key, row in (("emma", '{"title": "Emma", "pages": 400}'), ("1984", '{"title": "1984"}')):
        shelf("store", "put", "shelf", "books", key, row)
    before = shelf("store", "rows", "shelf", "books", "-o", "json").document["items"]
    shelf("store", "export", "shelf", "books", name)
    for row in before:
        shelf("store", "rm", "shelf", "books", row["key"])

    imported = shelf("store", "import", "shelf", "books", name, "-o", "json")
    after = shelf("store", "rows", "shelf", "books", "-o", "json").document["items"]

    assert imported.document == {"file": name, "rows": 2}
    assert [(row["key"], row["value"]) for row in after] == [(row["key"], row["value"]) for row in before]


def test_an_import_stops_where_a_row_does_not_fit(shelf: Shell) -> None:
    shelf.write("new.csv", "isbn,title,pages\n1,Emma,400\n2,Kim,many\n")

    done = shelf("store", "import", "shelf", "books", "new.csv", "--key", "isbn")

    assert done.code == 1
    assert "row 2 (2)" in done.err
    assert "1 rows were put" in done.err


def test_the_stores_of_packs_are_saved_when_penstock_starts(penstock: Shell) -> None:
    (penstock.folder / "own/agents").mkdir(parents=True)
    penstock.write("own/store.yaml", STORE.replace("shelf", "attic"))
    penstock.write("own/dust.yaml", WORKFLOW)

    names = apply_packs(Api(penstock.url), [penstock.folder / "own"])

    assert "dust" in names
    assert "attic" in [each["name"] for each in penstock("store", "ls", "-o", "json").document["items"]]
