"""What a question about a table says: its conditions, checked, with every problem at once."""

from typing import Any

from orchestrator.engine.store_views import Condition
from penstock.contracts.errors import InvalidInput, NotFound, Problem
from penstock.contracts.limits import STORE_CHOICES_MAX, STORE_CONDITIONS_MAX
from penstock.contracts.names import did_you_mean
from penstock.contracts.store import StoreDefinition, TableDefinition
from penstock.contracts.store_messages import COMPARISONS, KEY, StoreQuery
from penstock.contracts.workflow import Json
from penstock.definition.report import described

_ORDERS = ("<", "<=", ">", ">=")


def table_of(definition: StoreDefinition, table: str) -> TableDefinition:
    """Raises NotFound with the nearest name."""
    found = definition.tables.get(table)
    if found is None:
        raise NotFound(f"table of store '{definition.name}'", table, tuple(definition.tables))
    return found


def conditions_of(query: StoreQuery, table: TableDefinition) -> tuple[Condition, ...]:
    """Raises InvalidInput with all that is wrong with `where` and `order`."""
    problems: list[Problem] = []
    conditions: list[Condition] = []
    for field, asked in query.where.items():
        problems += _field_problems(f"where.{field}", field, table)
        for comparison, value in asked.items() if isinstance(asked, dict) else [("=", asked)]:
            conditions.append(Condition(field, comparison, value))
            problems += _problems(conditions[-1])
    problems += _field_problems("order", query.order, table)
    if len(conditions) > STORE_CONDITIONS_MAX:
        problems.append(Problem("where", f"{len(conditions)} conditions; at most {STORE_CONDITIONS_MAX}"))
    if problems:
        raise InvalidInput(
            f"the question is wrong: {problems[0].path}: {problems[0].message}", tuple(problems)
        )
    return tuple(conditions)


def _field_problems(path: str, field: str, table: TableDefinition) -> list[Problem]:
    """A field that the schema rules out is a mistyped one; where it allows any, any may be asked for."""
    schema: Any = table.row
    known = (KEY, *schema.get("properties", {}))
    if "\x00" in field:
        return [Problem(path, "contains the character U+0000")]
    if schema.get("additionalProperties") is not False or field in known:
        return []
    hint = did_you_mean(field, known) or f"; there are {', '.join(known)}"
    return [Problem(path, f"no field named '{field}'{hint}")]


def _problems(condition: Condition) -> list[Problem]:
    path, value = f"where.{condition.field}", condition.value
    expected = _expected(condition)
    if condition.comparison not in COMPARISONS:
        near = (
            did_you_mean(condition.comparison, COMPARISONS) or f"; expected one of {', '.join(COMPARISONS)}"
        )
        return [Problem(path, f"no comparison named '{condition.comparison}'{near}")]
    if expected:
        return [Problem(path, f"`{condition.comparison}` expects {expected}, got {described(value)}")]
    if "\x00" in str(value):
        return [Problem(path, "contains the character U+0000")]
    return []


def _expected(condition: Condition) -> str:
    """What the comparison takes, if it is not what it was given."""
    value, is_key = condition.value, condition.field == KEY
    is_one = isinstance(value, str) if is_key else value is None or isinstance(value, (str, int, float))
    if condition.comparison == "prefix":
        return "" if isinstance(value, str) else "text"
    if condition.comparison == "in":
        return (
            ""
            if _are_choices(value, is_key=is_key)
            else f"a list of at most {STORE_CHOICES_MAX} plain values"
        )
    if condition.comparison in _ORDERS and (value is None or isinstance(value, bool)):
        return "a number or text"
    return "" if is_one else "text" if is_key else "text, a number, true, false or null"


def _are_choices(value: Json, *, is_key: bool) -> bool:
    plain = (str,) if is_key else (str, int, float, type(None))
    return (
        isinstance(value, list)
        and len(value) <= STORE_CHOICES_MAX
        and all(isinstance(each, plain) for each in value)
    )
