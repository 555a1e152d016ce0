"""Rows of a store as files: JSON lines (`{"key", "value"}`) or CSV (a column for the key, one for each field)."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from penstock_cli.errors import CommandError

KEY_COLUMN = "key"

Row = tuple[str, dict[str, Any]]


def write_rows(file: Path, rows: Iterable[dict[str, Any]]) -> int:
    """How many were written. CSV has a column for each field of any row, so it holds all rows in memory."""
    kept = ({"key": row["key"], "value": row["value"]} for row in rows)
    with _opened(file, "w") as target:
        if file.suffix == ".csv":
            return _write_csv(target, list(kept))
        count = 0
        for count, row in enumerate(kept, start=1):  # noqa: B007 (the last one is the answer)
            target.write(json.dumps(row, ensure_ascii=False) + "\n")
        return count


def read_rows(file: Path, *, key: str, schema: dict[str, Any]) -> Iterator[Row]:
    """Key and value of each row. Columns of CSV become what the table's schema says of their fields."""
    with _opened(file, "r") as source:
        yield from (
            _read_csv(source, file, key, schema) if file.suffix == ".csv" else _read_lines(source, file, key)
        )


def _read_lines(source: Any, file: Path, key: str) -> Iterator[Row]:
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            raise CommandError(f"{file}:{number}: not JSON: {error}") from error
        if not isinstance(document, dict) or not isinstance(document.get(key), str):
            raise CommandError(
                f"{file}:{number}: expected an object with the text '{key}'; --key names another"
            )
        is_exported = set(document) == {"key", "value"} and isinstance(document["value"], dict)
        if is_exported:
            yield document["key"], document["value"]
        else:
            drop = key if key == KEY_COLUMN else None
            yield document[key], {name: value for name, value in document.items() if name != drop}


def _read_csv(source: Any, file: Path, key: str, schema: dict[str, Any]) -> Iterator[Row]:
    reader = csv.DictReader(source)
    if key not in (reader.fieldnames or ()):
        raise CommandError(f"{file}: no column '{key}'; --key names another")
    properties = schema.get("properties", {})
    for line in reader:
        fields = {
            name: _cell(text, properties.get(name, {}))
            for name, text in line.items()
            if name is not None and text not in (None, "") and (name != KEY_COLUMN or key != KEY_COLUMN)
        }
        yield line[key], fields


def _cell(text: str, schema: Any) -> Any:
    """A cell is text where the schema says text; else JSON if it can be."""
    types = schema.get("type", "string") if isinstance(schema, dict) else "string"
    if "string" in ([types] if isinstance(types, str) else types):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _write_csv(target: Any, rows: list[dict[str, Any]]) -> int:
    columns = list(dict.fromkeys(name for row in rows for name in row["value"]))
    writer = csv.writer(target)
    writer.writerow([KEY_COLUMN, *columns])
    for row in rows:
        writer.writerow([row["key"], *(_text(row["value"].get(name)) for name in columns)])
    return len(rows)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _opened(file: Path, mode: str) -> Any:
    try:
        return file.open(mode, encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from error
