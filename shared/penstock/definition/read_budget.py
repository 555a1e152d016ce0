"""Reads what a workflow's calls of language models may cost."""

from penstock.contracts.budget import DOLLARS_MAX, TOKENS_MAX, Allowance, BudgetDefinition, OnSpent
from penstock.contracts.workflow import Json
from penstock.definition.fields import Fields
from penstock.definition.schema_parts import mapping, one_of, whole

BUDGET_KEYS = ("run", "day", "total", "on_limit")
ALLOWANCE_KEYS = ("dollars", "tokens")

_ALLOWANCE_EXPECTED = "a mapping with `dollars`, `tokens` or both"


def read_budget(fields: Fields) -> BudgetDefinition | None:
    own = fields.mapping("budget", fields.value["budget"], "a mapping with `run`, `day` or `total`")
    if own is None:
        return None
    own.only(BUDGET_KEYS)
    if not any(key in own for key in BUDGET_KEYS[:-1]):
        own.report.error(own.path, "a budget is of something: expected `run`, `day` or `total`")
    return BudgetDefinition(
        run=_read_allowance(own, "run"),
        day=_read_allowance(own, "day"),
        total=_read_allowance(own, "total"),
        on_limit=own.choice("on_limit", OnSpent, OnSpent.FAIL),
    )


def _read_allowance(fields: Fields, key: str) -> Allowance | None:
    if key not in fields:
        return None
    own = fields.mapping(key, fields.value[key], _ALLOWANCE_EXPECTED)
    if own is None:
        return None
    own.only(ALLOWANCE_KEYS)
    if not any(unit in own for unit in ALLOWANCE_KEYS):
        own.report.error(own.path, f"nothing is limited: expected {_ALLOWANCE_EXPECTED}")
    return Allowance(
        dollars=own.number("dollars", 0.0, least=0.0, most=DOLLARS_MAX) if "dollars" in own else None,
        tokens=own.integer("tokens", 0, least=0, most=TOKENS_MAX) if "tokens" in own else None,
    )


def budget_schema() -> dict[str, Json]:
    """The part of the published schema."""
    amounts = mapping(
        {
            "dollars": {"type": "number", "minimum": 0, "maximum": DOLLARS_MAX},
            "tokens": whole(0, TOKENS_MAX),
        }
    )
    allowance = {**amounts, "minProperties": 1}
    own = {
        "run": {**allowance, "description": "Of a run with its forks, retries and sub-workflows"},
        "day": {**allowance, "description": "Of all runs in a day of UTC"},
        "total": {**allowance, "description": "Of all runs for ever"},
        "on_limit": one_of(OnSpent, "What becomes of a call that a budget has no room for"),
    }
    of_something = {"anyOf": [{"required": [key]} for key in BUDGET_KEYS[:-1]]}
    return {**mapping(own), **of_something, "description": "What calls of language models may cost"}
