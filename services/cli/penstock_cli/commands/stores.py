"""`penstock store`: the tables that packs keep between runs, for people."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.errors import CommandError
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.person import By, person
from penstock_cli.row_files import read_rows, write_rows

PAGE = 200
VALUE_CHARS_MAX = 100  # of a row in a table for people

StoreName = Annotated[str, typer.Argument(metavar="STORE", help="The store's name.")]
TableName = Annotated[str, typer.Argument(metavar="TABLE", help="One of its tables.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The row's key.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", "-w", help="user=ada, day>=2026-01-01, name^=Ad; may be repeated, all must hold."
    ),
]
Order = Annotated[str, typer.Option("--order", help="A field, or $key.")]
Descending = Annotated[bool, typer.Option("--descending", help="The largest first.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many rows.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines or CSV, by the file's name.")]


def register(app: typer.Typer) -> None:
    stores = typer.Typer(no_args_is_help=True, help="Look at the tables that packs keep between runs.")
    command(stores, "ls")(ls)
    command(stores, "rows")(rows)
    command(stores, "get")(get)
    command(stores, "put")(put)
    command(stores, "rm")(rm)
    command(stores, "export")(export)
    command(stores, "import")(import_rows)
    app.add_typer(stores, name="store")


def ls(
    store: Annotated[str | None, typer.Argument(metavar="STORE", help="The tables of this one.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """List the stores of the project, or the tables of one."""
    document = Api().stores() if store is None else Api().store(store)
    if output is Format.JSON:
        print_json(document)
        return
    listed = document["items"] if store is None else document["tables"]
    table = _table("name", "rows", "description")
    for each in listed:
        table.add_row(each["name"], str(each["rows"]), each["description"])
    data.print(table)
    if not listed:
        say("no store is saved; `penstock apply FOLDER` saves that of a pack")


def rows(
    store: StoreName,
    table: TableName,
    where: Where = None,
    order: Order = "$key",
    descending: Descending = False,
    limit: Limit = 50,
    output: Output = Format.TEXT,
) -> None:
    """List rows of a table."""
    asked = {"where": where or None, "order": order, "descending": str(descending).lower()}
    found = list(_rows(Api(), store, table, asked, most=limit))
    if output is Format.JSON:
        print_json({"items": found})
        return
    shown = _table("key", "value", "written", "by")
    for row in found:
        value = json.dumps(row["value"], ensure_ascii=False)
        cut = value if len(value) <= VALUE_CHARS_MAX else f"{value[: VALUE_CHARS_MAX - 1]}…"
        shown.add_row(row["key"], cut, formats.date_and_time(row["written_at"]), _writer(row))
    data.print(shown)


def get(store: StoreName, table: TableName, key: Key, output: Output = Format.TEXT) -> None:
    """Show one row."""
    row = Api().row(store, table, key)
    if output is Format.JSON:
        print_json(row)
        return
    say(f"version {row['version']}, written {formats.date_and_time(row['written_at'])} by {_writer(row)}")
    data.print(json.dumps(row["value"], indent=2, ensure_ascii=False), markup=False, soft_wrap=True)


def put(
    store: StoreName,
    table: TableName,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="JSON", help="The row, an object.")],
    version: Annotated[int | None, typer.Option("--version", help="Only if it still has this one.")] = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Put a row by hand."""
    try:
        document = json.loads(value)
    except ValueError as error:
        raise CommandError(f'JSON: expected an object like {{"user": "ada"}}: {error}') from error
    body = {"value": document, "by": person(by), **({} if version is None else {"version": version})}
    row = Api().put_row(store, table, key, body)
    if output is Format.JSON:
        print_json(row)
    else:
        say(f"{table}/{key} has version {row['version']}")


def rm(store: StoreName, table: TableName, key: Key, by: By = None, output: Output = Format.TEXT) -> None:
    """Delete a row by hand."""
    Api().delete_row(store, table, key, by=person(by))
    if output is Format.JSON:
        print_json({"store": store, "table": table, "key": key})
    else:
        say(f"{table}/{key} is gone")


def export(
    store: StoreName, table: TableName, file: File, where: Where = None, output: Output = Format.TEXT
) -> None:
    """Write rows into a file."""
    count = write_rows(file, _rows(Api(), store, table, {"where": where or None}))
    if output is Format.JSON:
        print_json({"file": str(file), "rows": count})
    else:
        say(f"{file}: {count} rows")


def import_rows(
    store: StoreName,
    table: TableName,
    file: File,
    key: Annotated[str, typer.Option("--key", help="The field or column with the key.")] = "key",
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Put the rows of a file, one after another; what was put before an error stays.

    A line of JSON is a row as `export` writes it, or an object with the field that --key names.
    """
    api, who, count = Api(), person(by), 0
    schemas: dict[str, Any] = {each["name"]: each["row"] for each in api.store(store)["tables"]}
    schema = schemas.get(table, {})
    for place, (name, value) in enumerate(read_rows(file, key=key, schema=schema), start=1):
        try:
            api.put_row(store, table, name, {"value": value, "by": who})
        except CommandError as error:
            raise CommandError(f"{file}: row {place} ({name}): {error}; {count} rows were put") from error
        count += 1
    if output is Format.JSON:
        print_json({"file": str(file), "rows": count})
    else:
        say(f"{count} rows put into {store}/{table}")


def _rows(
    api: Api, store: str, table: str, asked: dict[str, Any], *, most: int | None = None
) -> Iterator[dict[str, Any]]:
    """Over all pages."""
    cursor: str | None = None
    left = most
    while left is None or left > 0:
        limit = PAGE if left is None else min(PAGE, left)
        page = api.rows(store, table, {**asked, "limit": limit, "cursor": cursor})
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return
        left = None if left is None else left - len(page["items"])


def _writer(row: dict[str, Any]) -> str:
    return row["by"] or f"{row['node']} of run {row['run']}"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading)
    return table
