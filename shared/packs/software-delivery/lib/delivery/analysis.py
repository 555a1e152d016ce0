"""What a requirements document says, as values: resources with fields, and requirements with what covers them.

Frozen dataclasses of plain types: an agent that takes or returns an `Analysis` has its JSON Schema from them.
"""

import json
import math
import re
import unicodedata
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
RESOURCES_MAX = 30
FIELDS_MAX = 60
REQUIREMENTS_MAX = 300
LENGTH_MAX = 1_000_000  # of a field: its test writes a text that is one longer

FieldType = Literal["string", "integer", "number", "boolean", "date", "date-time"]
OPERATIONS = ("create", "read", "list", "update", "delete")


@dataclass(frozen=True)
class Field:
    """`minimum` and `maximum` bound numbers, `length_max` text."""

    name: str
    type: FieldType = "string"
    required: bool = False
    unique: bool = False
    choices: list[str] = field(default_factory=list)
    minimum: float | None = None
    maximum: float | None = None
    length_max: int | None = None


@dataclass(frozen=True)
class Transition:
    """An operation `name` that moves `field` from one value to another, and is refused from any other."""

    name: str
    field: str
    source: str
    target: str


@dataclass(frozen=True)
class Guard:
    """The operation is refused while `field` has `value`."""

    operation: Literal["update", "delete"]
    field: str
    value: str


@dataclass(frozen=True)
class Resource:
    """A kind of thing that the software keeps. `name` is singular, in snake case."""

    name: str
    plural: str
    fields: list[Field]
    operations: list[Literal["create", "read", "list", "update", "delete"]] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)

    def field_named(self, name: str) -> Field | None:
        return next((each for each in self.fields if each.name == name), None)

    def with_field(self, changed: Field) -> "Resource":
        return replace(self, fields=[changed if each.name == changed.name else each for each in self.fields])


@dataclass(frozen=True)
class Requirement:
    """`covers` names operations of the contracts (`createBook`), or `binding:http`, `storage`.

    `gap` says why nothing covers it; a model, or a person, has to look.
    """

    id: str
    level: Literal["must", "should", "may", "story"]
    text: str
    line: int
    covers: list[str] = field(default_factory=list)
    gap: str = ""


@dataclass(frozen=True)
class Analysis:
    """`mode` says who made it: the rules of this pack, or a model after them."""

    title: str
    summary: str
    resources: list[Resource]
    requirements: list[Requirement]
    mode: Literal["rules", "model"] = "rules"

    @property
    def gaps(self) -> list[Requirement]:
        return [each for each in self.requirements if each.gap]

    @property
    def package(self) -> str:
        """The name of the Python package that is written for it."""
        letters = unicodedata.normalize("NFKD", self.title.lower().replace("ß", "ss"))
        words = re.findall(r"[a-z0-9]+", "".join(each for each in letters if not unicodedata.combining(each)))
        name = "_".join(words)[:40].strip("_") or "delivery"
        is_other = len(words) < 2 or words[0] == "test"  # a folder of the team, a standard module, a test
        return f"the_{name}" if name[0].isdigit() or is_other else name

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def operation_id(operation: str, resource: Resource) -> str:
    """`createBook`, `listBooks`, `lendBook`: names of operations in the contracts."""
    return operation + camel(resource.plural if operation == "list" else resource.name)


def operation_ids(resource: Resource) -> list[str]:
    names = [*resource.operations, *(each.name for each in resource.transitions)]
    return [operation_id(name, resource) for name in names]


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def snake(text: str) -> str:
    return "_".join(re.findall(r"[a-z0-9]+", text.lower()))


def of_json(value: dict[str, Any]) -> Analysis:
    """The analysis that was written by `as_json`."""
    resources = [
        Resource(
            **{
                **each,
                "fields": [Field(**one) for one in each["fields"]],
                "transitions": [Transition(**one) for one in each.get("transitions", [])],
                "guards": [Guard(**one) for one in each.get("guards", [])],
            }
        )
        for each in value["resources"]
    ]
    requirements = [Requirement(**each) for each in value["requirements"]]
    return Analysis(**{**value, "resources": resources, "requirements": requirements})


def problems_of(analysis: Analysis) -> list[str]:
    """What is wrong with an analysis, each with its place: names, limits, references to what is not there."""
    problems = [
        f"{name}: {count} of at most {limit}"
        for name, count, limit in (
            ("resources", len(analysis.resources), RESOURCES_MAX),
            ("requirements", len(analysis.requirements), REQUIREMENTS_MAX),
        )
        if count > limit
    ]
    known = {operation for each in analysis.resources for operation in operation_ids(each)}
    for resource in analysis.resources:
        problems += [f"resources.{resource.name}: {problem}" for problem in _resource_problems(resource)]
    for name in sorted(_repeated([each.name for each in analysis.resources])):
        problems.append(f"resources.{name}: is there twice")
    for requirement in analysis.requirements:
        unknown = [name for name in requirement.covers if ":" not in name and name not in known | EXTRA]
        problems += [f"requirements.{requirement.id}: no operation is named '{name}'" for name in unknown]
    return problems


EXTRA = {"getHealth", "getVersion", "listChangeEvents", "storage"}
"""What every delivery has, besides the operations of its resources."""


def _resource_problems(resource: Resource) -> list[str]:
    names = [each.name for each in resource.fields]
    wrong = [name for name in (resource.name, resource.plural, *names) if not NAME.fullmatch(name)]
    problems = [f"'{name}' is no name: expected small letters, digits and _" for name in wrong]
    problems += [f"field '{name}' is there twice" for name in sorted(_repeated(names))]
    if not 1 <= len(names) <= FIELDS_MAX:
        problems.append(f"{len(names)} fields; expected 1 to {FIELDS_MAX}")
    if "id" in names:
        problems.append("field 'id' is given to every resource; leave it out")
    spoken = [
        *resource.filters,
        *(t.field for t in resource.transitions),
        *(g.field for g in resource.guards),
    ]
    problems += [f"no field is named '{name}'" for name in spoken if name not in names]
    problems += [f"field {each.name}: {problem}" for each in resource.fields for problem in _bounds(each)]
    for name in sorted(_repeated([each.name for each in resource.transitions])):
        problems.append(f"transition '{name}' is there twice; one operation moves from one value to another")
    for each in resource.transitions:
        problems += _not_values(resource, each.field, [each.source, each.target], what=each.name)
        if not NAME.fullmatch(each.name) or each.name in OPERATIONS:
            problems.append(f"'{each.name}' is no name for a transition")
    for guard in resource.guards:
        problems += _not_values(resource, guard.field, [guard.value], what=f"guard of {guard.operation}")
    return problems


def _not_values(resource: Resource, name: str, values: list[str], *, what: str) -> list[str]:
    """Values that the field can never have: its tests could not pass, whoever wrote the software."""
    field = resource.field_named(name)
    if field is None:
        return []
    if field.type != "string":
        return [f"{what}: {name} is no text, and only text is moved or guarded"]
    wrong = [value for value in values if field.choices and value not in field.choices]
    return [f"{what}: '{value}' is no value of {name}" for value in wrong]


def _bounds(field: Field) -> list[str]:
    """Rules that no value keeps to."""
    bounds = [each for each in (field.minimum, field.maximum) if each is not None]
    if any(not math.isfinite(each) or abs(each) > 2**53 for each in bounds):
        return ["a bound is no number that can be kept"]
    if field.type == "integer" and any(each != int(each) for each in bounds):
        return ["the bounds of a whole number are whole numbers"]
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        return [f"nothing is at least {bounds[0]:g} and at most {bounds[1]:g}"]
    if field.length_max is not None and not 1 <= field.length_max <= LENGTH_MAX:
        return [f"expected at most 1 to {LENGTH_MAX:,} characters"]
    return ["'one of' is for text"] if field.choices and field.type != "string" else []


def _repeated(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def text_of(analysis: Analysis) -> str:
    return json.dumps(analysis.as_json(), indent=2, ensure_ascii=False) + "\n"
