"""Values against a schema: each problem has its path and what was expected; defaults are filled in."""

import pytest

from penstock.contracts.errors import Problem
from penstock.definition.values import check_value, with_defaults

SHA = "0" * 64
SCHEMA = {
    "type": "object",
    "required": ["repository"],
    "additionalProperties": False,
    "properties": {
        "repository": {"type": "string", "format": "artifact"},
        "threshold": {"enum": ["low", "high"], "default": "high"},
        "limits": {
            "type": "object",
            "properties": {
                "depth": {"type": "integer", "default": 3},
                "files": {"type": ["integer", "null"]},
            },
        },
        "odd name": {"type": "array", "items": {"type": "string", "pattern": "^a+$"}},
        "when": {"type": "string", "format": "date-time"},
    },
}


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({}, "input", "'repository' is missing"),
        ({"repositry": "x"}, "input", "'repository' is missing; there is 'repositry'"),
        ({"repository": 3}, "input.repository", "expected string, got the number 3"),
        (
            {"repository": "/tmp/x"},
            "input.repository",
            "expected an artifact (artifact://SHA256/NAME), got '/tmp/x'",
        ),
        (
            {"threshold": "hgh"},
            "input.threshold",
            "expected one of low, high, got 'hgh'; did you mean 'high'?",
        ),
        ({"treshold": "low"}, "input.treshold", "unknown property 'treshold'; did you mean 'threshold'?"),
        (
            {"q": 1},
            "input.q",
            "unknown property 'q'; expected one of repository, threshold, limits, odd name, when",
        ),
        ({"limits": {"depth": 1.5}}, "input.limits.depth", "expected integer, got the number 1.5"),
        ({"limits": {"files": "x"}}, "input.limits.files", "expected integer or null, got 'x'"),
        ({"limits": {"files": True}}, "input.limits.files", "expected integer or null, got true"),
        ({"odd name": ["a", "b"]}, "input['odd name'][1]", "expected text that matches ^a+$, got 'b'"),
        ({"when": "today"}, "input.when", "expected text in the format date-time, got 'today'"),
        ([], "input", "expected object, got a list"),
        (None, "input", "expected object, got nothing"),
    ],
)
def test_a_wrong_value_is_named_with_its_path_and_what_was_expected(
    value: object, path: str, message: str
) -> None:
    assert Problem(path=path, message=message) in check_value(SCHEMA, value)


def test_all_problems_come_at_once() -> None:
    assert len(check_value(SCHEMA, {"threshold": 1, "limits": 1, "q": 1, "r": 1})) == 5


def test_right_values_have_no_problem() -> None:
    assert check_value(SCHEMA, {"repository": f"artifact://{SHA}/src/", "limits": {"files": None}}) == ()
    assert check_value(None, object) == ()
    assert check_value({}, {"any": ["thing"]}) == ()
    assert check_value({"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}, 3) == ()


def test_thousands_of_problems_are_cut() -> None:
    assert len(check_value({"items": {"type": "string"}}, list(range(10_000)))) == 50


def test_an_equal_schema_that_is_another_object_is_not_confused() -> None:
    for limit in range(3_000):
        schema = {"maximum": limit}
        assert bool(check_value(schema, limit + 1)), limit
        assert not check_value(schema, limit), limit


def test_defaults_are_filled_in_on_a_copy() -> None:
    value = {"repository": "r", "limits": {"files": 1}}

    filled = with_defaults(SCHEMA, value)

    assert filled == {"repository": "r", "threshold": "high", "limits": {"files": 1, "depth": 3}}
    assert value == {"repository": "r", "limits": {"files": 1}}


def test_a_value_that_is_complete_stays_the_same_object() -> None:
    complete = {"threshold": "low", "limits": {"depth": None}}

    assert with_defaults(SCHEMA, complete) is complete
    assert with_defaults(SCHEMA, "no object") == "no object"
    assert with_defaults(None, complete) is complete
    assert with_defaults(True, complete) is complete
