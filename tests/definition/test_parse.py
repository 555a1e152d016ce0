"""Parsing: only JSON comes out of YAML, every key has its line, and no text breaks the parser."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.errors import InvalidInput, LimitExceeded
from penstock.definition import check
from penstock.definition.parse import parse

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("no", "no"), ("yes", "yes"), ("2024-01-01", "2024-01-01"), ("12:30:45", "12:30:45"),
        ("1_000", "1_000"), ("'1'", "1"), ('"true"', "true"), ("1.10.0", "1.10.0"), ("e3", "e3"),
        ("-", [None]),
        ("1.10", 1.1), ("007", 7), ("0x1F", 31), ("0o17", 15), ("-3", -3), ("+3", 3), (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("|\n  a\n  b\n", "a\nb\n"), ("- 1\n- {a: }", [1, {"a": None}]),
        ("{on: 1, 2: x}", {"on": 1, "2": "x"}),
        ("{a: [b, 'c']}", {"a": ["b", "c"]}), ('{"a": 1, "b": [true, null]}', {"a": 1, "b": [True, None]}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)  # fmt: skip
def test_types_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    document = parse(text)

    assert document.value == value
    assert type(document.value) is type(value)
    assert document.problems == ()


def test_every_key_and_item_has_its_line() -> None:
    yaml = "name: x\nnodes:\n  a:\n    needs:\n      - b\n      - c\n    with: {x: 1,\n      y: 2}\n"
    as_json = '{\n"name": "x",\n"nodes": {\n "a": {"needs": [\n "b",\n "c"],\n "with":\n {"x": 1, "y": 2}}}}'
    paths = [("name",), ("nodes", "a"), ("nodes", "a", "needs", 1), ("nodes", "a", "with", "y")]

    assert [parse(yaml).line(path) for path in paths] == [1, 3, 6, 8]
    assert [parse(as_json).line(path) for path in paths] == [2, 4, 6, 8]
    assert parse(yaml).line(("nodes", "a", "agent")) == 3, "a missing key is where its mapping is"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "twice; the first is on line 1"),
        ('{"a": 1,\n"b": {"c": 1,\n"c": 2}}', 3, "twice; the first is on line 2"),
        ("a: &x 1\n", 1, "anchors"),
        ("a: 1\nb: *x\n", 2, "aliases"),
        ("a: !!python/object:os.system x\n", 1, "tags"),
        ("a: !!str 1\n", 1, "tags"),
        ("b: 1\n<<: {a: 1}\n", 2, "merge keys"),
        ("a: .inf\n", 1, "no number of JSON"),
        ("a: 1\nb: 99999999999999999999999\n", 2, "64 bits"),
    ],
)
def test_what_json_does_not_have_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    try:
        problems = parse(text).problems
    except InvalidInput as error:
        problems = error.problems

    assert [(problem.line, reason in problem.message) for problem in problems] == [(line, True)]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: [1, 2\nb: 3\n", 2, "not YAML"),
        ("a: 1\n  b: 2\n", 2, "not YAML"),
        ('{"a": 1,\n"b" 2}', 2, "not JSON"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("a:\n  ? [x]\n  : 1\n", 2, "a key must be a word"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        ("a: \x01", None, "not YAML"),
        ('{"a": "\\ud800"}', None, "surrogate"),
        ('{"a": NaN}', None, "no number of JSON"),
    ],
)
def test_a_text_that_cannot_be_read_says_where(text: str | bytes, line: int | None, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        parse(text)
    if line is not None:
        assert refused.value.problems[0].line == line


@pytest.mark.parametrize(
    "text", ["[" * 40 + "]" * 40, "a: " + "{b: " * 40, '{"a":' * 40 + "1" + "}" * 40, "[" * 200_000]
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(LimitExceeded, match="nested deeper than 32"):
        parse(text)


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="at most 1048576"):
        parse("a: " + "x" * 1_048_576)


@given(JSON_VALUES)
def test_json_means_the_same_to_every_reader(value: object) -> None:
    text = json.dumps({"value": value})

    document = parse(text)

    assert document.value == {"value": value}
    assert document.line(("value",)) == 1


@given(
    st.text(max_size=200)
    | st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,?\n \t$0.", max_size=200)
    | st.binary(max_size=100)
)
def test_no_text_breaks_the_check(text: str | bytes) -> None:
    problems = check(text)

    assert problems, "no random text is a workflow"
    assert all(problem.message for problem in problems)
