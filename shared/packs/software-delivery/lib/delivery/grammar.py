"""The sentences that say what a resource is: "A book has a title (required), and a year (whole number, 1450 to 2100)."

What is between the parentheses is a list of properties; what is not understood of them is told, not guessed.
"""

import re
from dataclasses import dataclass, replace

from delivery.analysis import Field, FieldType, Resource, snake
from delivery.document import Sentence

_RESOURCE = re.compile(r"(?:an?|each|every)\s+([a-z][\w -]{0,40}?)\s+has\s+(.+?)\.?$", re.IGNORECASE)
_VERB = re.compile(r"(?:to|been|had|no|not|never|always|already|only)\b", re.IGNORECASE)  # "has to be fast"
_RELATION = re.compile(
    r"\b(?:(?:list|lists|set|sets|number|collection) of|that|which|who|whose|access to)\b", re.IGNORECASE
)
_ARTICLE = re.compile(r"^(?:and\s+)?(?:an?|the|its|one)\s+", re.IGNORECASE)
_TYPES: dict[str, FieldType] = {
    "text": "string", "string": "string", "words": "string",
    "whole number": "integer", "integer": "integer",
    "number": "number", "decimal": "number", "amount": "number", "price": "number",
    "yes or no": "boolean", "yes/no": "boolean", "boolean": "boolean", "flag": "boolean",
    "date": "date", "day": "date",
    "moment": "date-time", "time": "date-time", "timestamp": "date-time",
}  # fmt: skip
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"(?:from |between )?{_NUMBER}\s*(?:to|and|–|\.\.|-)\s*{_NUMBER}$")
_CHARACTERS = re.compile(r"at most (\d+) characters(?: long)?$")
_LEAST, _MOST = re.compile(rf"at least {_NUMBER}$"), re.compile(rf"at most {_NUMBER}$")
_CHOICES = re.compile(r"one of:?\s+(.+)$")


@dataclass(frozen=True)
class Found:
    """A resource that a sentence describes, and what of the sentence was not understood."""

    resource: Resource
    problems: tuple[str, ...]


def resource_in(sentence: Sentence) -> Found | None:
    match = _RESOURCE.match(sentence.text)
    if match is None or _VERB.match(match[2]):
        return None
    name = snake(match[1])
    fields: list[Field] = []
    problems: list[str] = []
    for part in _split(match[2]):
        field, wrong = _field(part)
        if field is not None and field.name not in {each.name for each in fields}:
            fields.append(field)
        problems += wrong
    return Found(Resource(name, plural_of(name), fields), tuple(problems)) if fields else None


def constrained(field: Field, text: str) -> Field | None:
    """The field with the property that `text` names ("unique", "at most 80 characters"), or None."""
    text = text.strip().strip(".").lower()
    if text in ("required", "mandatory", "given", "present"):
        return replace(field, required=True)
    if text in ("optional", "unique"):
        return field if text == "optional" else replace(field, unique=True)
    if text in _TYPES:
        return replace(field, type=_TYPES[text])
    for kind in ("whole number", "integer", "number"):
        if text.startswith(f"{kind} "):
            return constrained(replace(field, type=_TYPES[kind]), text.removeprefix(kind))
    return _bounded(field, text)


def _bounded(field: Field, text: str) -> Field | None:
    if found := _CHOICES.match(text):
        choices = [word.strip(" '\"`") for word in re.split(r"\s*(?:/|\||,|\bor\b)\s*", found[1])]
        return replace(field, choices=[word for word in choices if word])
    if found := _CHARACTERS.match(text):
        return replace(field, length_max=int(found[1]))
    kind = field.type if field.type in ("integer", "number") else "number"
    if found := _RANGE.match(text):
        whole = "." not in found[1] + found[2] and field.type != "number"
        kind = "integer" if whole else kind
        return replace(field, type=kind, minimum=float(found[1]), maximum=float(found[2]))
    if found := _LEAST.match(text):
        return replace(field, type=kind, minimum=float(found[1]))
    if found := _MOST.match(text):
        return replace(field, type=kind, maximum=float(found[1]))
    return None


def plural_of(name: str) -> str:
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def _field(text: str) -> tuple[Field | None, list[str]]:
    """`title (required, at most 80 characters)`; the second part is what was not understood."""
    named, _, inside = text.partition("(")
    name = snake(_ARTICLE.sub("", named.strip()).replace("optional ", ""))
    if name == "id":
        return None, ["every resource has its id already"]
    if not name or len(name.split("_")) > 4 or _RELATION.search(named):
        return None, [f"'{text.strip()}' is no field"]
    field, problems = Field(name), []
    for part in filter(None, (each.strip() for each in inside.rstrip(") ").split(","))):
        changed = constrained(field, part)
        if changed is None and field.choices:  # "one of small, medium or large"
            changed = replace(
                field, choices=[*field.choices, *re.split(r"\s+or\s+", part.removeprefix("or "))]
            )
        elif changed is None:
            problems.append(f"field {name}: '{part}' is not understood")
        field = changed or field
    if field.choices and field.type != "string":
        problems.append(f"field {name}: 'one of' is understood of text only")
        field = replace(field, choices=[])
    return field, problems


def _split(text: str) -> list[str]:
    """At commas and "and" outside of parentheses."""
    parts, depth, word = [], 0, ""
    for token in re.split(r"(\(|\)|,|\band\b)", text):
        depth += (token == "(") - (token == ")")
        if depth == 0 and token in (",", "and"):
            parts.append(word)
            word = ""
        else:
            word += token
    return [part for part in (*parts, word) if part.strip()]
