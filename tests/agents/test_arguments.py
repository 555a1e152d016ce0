"""A function's types become schemas and readers; every field that does not fit is reported, with its name."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import jsonschema_rs
import msgspec
import pydantic
import pytest

from penstock.agents import InvalidInput, agent


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Rule:
    name: str
    weight: float = 1.0


class Span(NamedTuple):
    start: int
    end: int


class Options(TypedDict, total=False):
    deep: bool


class Model(pydantic.BaseModel):
    size: int = pydantic.Field(ge=1)


class Struct(msgspec.Struct):
    name: str


@dataclass
class Tree:
    name: str
    children: "list[Tree]"


@agent
def everything(
    source: Path,
    rules: list[Rule],
    colour: Colour = Colour.RED,
    since: date | None = None,
    at: datetime | None = None,
    wait: timedelta = timedelta(seconds=1),
    price: Decimal = Decimal("1"),
    key: UUID | None = None,
    raw: bytes = b"",
    span: Span | None = None,
    options: Options | None = None,
    model: Model | None = None,
    struct: Struct | None = None,
    mode: Literal["fast", "slow"] = "fast",
    counts: dict[str, int] | None = None,
    by_id: dict[int, str] | None = None,
    tags: frozenset[str] = frozenset(),
    pair: tuple[int, str] = (1, "a"),
    limit: Annotated[int, pydantic.Field(le=10)] = 1,
    note: Annotated[int, "how many"] = 1,
    tree: Tree | None = None,
    *,
    anything: Any = None,
) -> list[Rule]:
    return rules


FULL = {
    "source": "/in/tree",
    "rules": [{"name": "a"}, {"name": "b", "weight": 2}],
    "colour": "blue",
    "since": "2026-01-31",
    "at": "2026-01-31T12:00:00Z",
    "wait": "PT1H30M",
    "price": "1.10",
    "key": "00000000-0000-0000-0000-000000000001",
    "raw": "AP8=",
    "span": {"start": 1, "end": 2},
    "options": {"deep": True},
    "model": {"size": 3},
    "struct": {"name": "s"},
    "mode": "slow",
    "counts": {"a": 1},
    "by_id": {"7": "seven"},
    "tags": ["b", "a"],
    "pair": [2, "b"],
    "limit": 10,
    "note": 2,
    "tree": {"name": "root", "children": [{"name": "leaf", "children": []}]},
    "anything": [1, {"x": None}],
}


def test_a_full_input_is_read_into_the_functions_types() -> None:
    read = everything.arguments.read(FULL)

    assert read["source"] == Path("/in/tree")
    assert read["rules"] == [Rule("a"), Rule("b", 2.0)]
    assert (read["colour"], read["since"], read["wait"]) == (
        Colour.BLUE,
        date(2026, 1, 31),
        timedelta(hours=1.5),
    )
    assert (read["price"], read["key"], read["raw"]) == (Decimal("1.10"), UUID(int=1), b"\x00\xff")
    assert (read["span"], read["tags"], read["pair"]) == (Span(1, 2), {"a", "b"}, (2, "b"))
    assert (read["model"], read["struct"], read["by_id"]) == (Model(size=3), Struct("s"), {7: "seven"})
    assert read["tree"] == Tree("root", [Tree("leaf", [])])
    assert read["at"].isoformat() == "2026-01-31T12:00:00+00:00"  # type: ignore[attr-defined]


def test_the_input_schema_accepts_what_the_reader_reads() -> None:
    schema = everything.arguments.input_schema()

    jsonschema_rs.validator_for(schema).validate(FULL)

    assert schema["required"] == ["source", "rules"]
    assert schema["properties"]["wait"]["default"] == "PT1S"  # type: ignore[index]
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, {**FULL, "limit": 11})


def test_the_output_schema_is_that_of_the_result() -> None:
    schema = everything.arguments.output_schema()

    jsonschema_rs.validate(schema, [{"name": "a", "weight": 1.5}])
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, [{"weight": 1.5}])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"source": 1}, ("source", "expected a path, found 1")),
        ({"rules": {}}, ("rules", "expected a list, found an object")),
        ({"rules": [{"weight": 1}]}, ("rules[0].name", "missing; expected text")),
        (
            {"rules": [{"name": "a", "wieght": 1}]},
            ("rules[0].wieght", "unknown field (did you mean 'weight'?)"),
        ),
        ({"colour": "rde"}, ("colour", "expected one of 'red', 'blue' (did you mean 'red'?), found 'rde'")),
        ({"since": "31.1.2026"}, ("since", "expected a date such as 2026-01-31, found '31.1.2026'")),
        (
            {"at": "2026-01-31"},
            ("at", "expected a date and time such as 2026-01-31T12:00:00Z, found '2026-01-31'"),
        ),
        (
            {"wait": "1h"},
            ("wait", "expected an ISO 8601 duration such as PT1H30M, or a number of seconds, found '1h'"),
        ),
        ({"price": True}, ("price", "expected a decimal number, best as text, found True")),
        ({"raw": "?"}, ("raw", "expected bytes as base64, found '?'")),
        ({"counts": {"a": "1"}}, ("counts.a", "expected a whole number, found '1'")),
        ({"pair": [1]}, ("pair", "expected a list of 2, found a list")),
        ({"mode": "fats"}, ("mode", "expected one of 'fast', 'slow' (did you mean 'fast'?), found 'fats'")),
        ({"limit": 11}, ("limit", "Input should be less than or equal to 10")),
        ({"model": {"size": 0}}, ("model.size", "Input should be greater than or equal to 1")),
        ({"struct": {}}, ("struct", "Object missing required field `name`")),
        ({"suorce": "x"}, ("suorce", "unknown field (did you mean 'source'?)")),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(
    change: dict[str, object], problem: tuple[str, str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        everything.arguments.read({**FULL, **change})

    assert caught.value.problems == [problem]


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        everything.arguments.read({"rules": [1], "colour": 2, "extra": 3})

    assert [path for path, _ in caught.value.problems] == ["rules[0]", "colour", "extra", "source"]


def test_unions_take_the_first_member_that_fits() -> None:
    @agent
    def choose(value: date | int | str) -> None: ...

    assert choose.arguments.read({"value": "2026-01-31"}) == {"value": date(2026, 1, 31)}
    assert choose.arguments.read({"value": "soon"}) == {"value": "soon"}
    with pytest.raises(InvalidInput, match="expected date or a whole number or text, found a list"):
        choose.arguments.read({"value": []})


def test_rest_arguments_take_unknown_fields() -> None:
    @agent
    def open_ended(name: str, **rest: int) -> None: ...

    assert open_ended.arguments.read({"name": "a", "b": 1}) == {"name": "a", "b": 1}
    assert open_ended.arguments.input_schema()["additionalProperties"] == {"type": "integer"}
    with pytest.raises(InvalidInput, match="b: expected a whole number"):
        open_ended.arguments.read({"name": "a", "b": "x"})


def test_arguments_without_names_are_refused() -> None:
    with pytest.raises(TypeError, match="each argument needs a name"):

        @agent
        def bad(*values: int) -> None: ...


def test_a_type_without_a_json_form_is_named() -> None:
    class Handle:
        pass

    @agent
    def bad(handle: Handle) -> None: ...

    with pytest.raises(TypeError, match=r"handle: .*Handle.* has no JSON form"):
        _ = bad.arguments


def test_an_agent_can_still_be_called_as_a_function() -> None:
    assert everything(Path("/x"), [Rule("a")]) == [Rule("a")]
