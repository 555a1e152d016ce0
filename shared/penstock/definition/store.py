"""Loads what a pack declares as its store (`store.yaml`), with every problem at once."""

from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.limits import STORE_TABLES_MAX
from penstock.contracts.names import is_name
from penstock.contracts.store import StoreDefinition, TableDefinition
from penstock.contracts.workflow import Json
from penstock.definition.document import Path
from penstock.definition.fields import NAME_EXPECTED, Fields
from penstock.definition.parse import parse
from penstock.definition.report import Report
from penstock.definition.schemas import schema_problems

STORE_KEYS = ("name", "description", "tables")
TABLE_KEYS = ("row", "description")
_TABLES_EXPECTED = "a mapping of tables, each with the JSON Schema of its `row`"


def load_store(text: str | bytes) -> StoreDefinition:
    """The store that `text` (YAML or JSON) declares; raises InvalidInput with all that is wrong."""
    document = parse(text)
    report = Report(document)
    report.extend(document.problems)
    definition = _read(document.value, report)
    report.raise_if_wrong(f"store '{definition.name}'" if definition.name else "the store")
    return definition


def check_store(text: str | bytes) -> list[Problem]:
    """All that is wrong with a store's text, in the order of its lines."""
    try:
        load_store(text)
    except InvalidInput as error:
        return list(error.problems)
    return []


def _read(value: Json, report: Report) -> StoreDefinition:
    if not isinstance(value, dict):
        Fields({}, (), report).wrong_at((), "a mapping with `name` and `tables`", value)
        return StoreDefinition(name="")
    fields = Fields(value, (), report)
    fields.only(STORE_KEYS)
    fields.require("name", NAME_EXPECTED)
    return StoreDefinition(
        name=fields.name("name"), description=fields.text("description"), tables=_read_tables(fields)
    )


def _read_tables(fields: Fields) -> dict[str, TableDefinition]:
    if not fields.require("tables", _TABLES_EXPECTED):
        return {}
    tables = fields.mapping("tables", fields.value["tables"], _TABLES_EXPECTED)
    if tables is None:
        return {}
    if not 1 <= len(tables.value) <= STORE_TABLES_MAX:
        fields.report.error(tables.path, f"expected 1 to {STORE_TABLES_MAX} tables, got {len(tables.value)}")
    return {name: _read_table(tables, name, value) for name, value in tables.value.items()}


def _read_table(tables: Fields, name: str, value: Json) -> TableDefinition:
    if not is_name(name):
        tables.report.error(tables.at(name), f"the name of a table is {NAME_EXPECTED}")
    fields = tables.mapping(name, value, "a mapping with `row`, the JSON Schema of a row")
    if fields is None:
        return TableDefinition(row={})
    fields.only(TABLE_KEYS)
    if fields.require("row", "the JSON Schema of a row"):
        _check_schema(fields.value["row"], fields.at("row"), fields.report)
    return TableDefinition(row=fields.value.get("row"), description=fields.text("description"))


def _check_schema(schema: Json, path: Path, report: Report) -> None:
    problems = schema_problems(schema)
    for inner, message in problems:
        report.error((*path, *inner), message)
    if not problems and schema.get("type") != "object":
        report.error(path, "a row is an object: expected `type: object`")
