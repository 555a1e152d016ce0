"""What the published schemas are made of: names, durations, choices, mappings."""

from enum import StrEnum

from penstock.contracts.duration import DURATION_PATTERN, SIZE_PATTERN
from penstock.contracts.names import NAME_PATTERN
from penstock.contracts.workflow import Json

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ANY_SCHEMA = {"$ref": DRAFT}
WITH_EXPRESSIONS = "its strings may hold ${{ expressions }}"

NAME = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
DURATION = {
    "type": "string",
    "minLength": 2,
    "pattern": f"^{DURATION_PATTERN}$",
    "examples": ["90s", "1h30m"],
}
SIZE = {"type": "string", "pattern": f"^{SIZE_PATTERN}$", "examples": ["512MiB"]}
TEXT = {"type": "string", "minLength": 1}
EXPRESSION = {"type": "string", "pattern": r"^\$\{\{[\s\S]*\}\}$"}
TEMPLATE = {"type": "string", "pattern": r"\$\{\{"}  # text with an expression in it
CONDITION = {**EXPRESSION, "description": "One ${{ expression }} that gives true or false"}


def one_of(choices: type[StrEnum], description: str) -> dict[str, Json]:
    return {"enum": [str(choice) for choice in choices], "description": description}


def whole(least: int, most: int) -> dict[str, Json]:
    return {"type": "integer", "minimum": least, "maximum": most}


def mapping(properties: dict[str, Json], *, required: tuple[str, ...] = ()) -> dict[str, Json]:
    """A mapping with these keys and no others."""
    schema: dict[str, Json] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def exactly_one(keys: tuple[str, ...]) -> list[Json]:
    """For `oneOf`: one of the keys is there, and no other."""
    return [{"required": [key]} for key in keys]
