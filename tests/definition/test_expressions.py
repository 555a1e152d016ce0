"""Evaluation: types are kept, errors say why, and nothing grows or loops without end."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.expression import ExpressionFailed
from penstock.contracts.template import compile_template
from penstock.definition.expressions import Expressions, is_tame
from penstock.definition.program import NotCompiled, Program

CONTEXT = {
    "inputs": {
        "n": 3,
        "f": 2.5,
        "s": "text",
        "b": True,
        "none": None,
        "l": [1, 2, 3],
        "o": {"x": {"y": "deep"}},
        "": 5,
    },
    "nodes": {
        "a-b": {"state": "succeeded", "output": {"n": 7, "big": 2**62}},
        "s": {"state": "skipped", "output": {}},
    },
    "run": {"id": "7", "project": "default", "workflow": "w", "version": 1},
}


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


@pytest.fixture(scope="module")
def expressions():
    made = Expressions()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.n", 3), ("inputs.f", 2.5), ("inputs.none", None), ("inputs.l", [1, 2, 3]), ("inputs.o.x.y", "deep"),
        ('inputs["o"]["x"].y', "deep"), ("inputs['']", 5), ('nodes["a-b"].output.n', 7), ("run.id", "7"),
        ('nodes["a-b"].output.big + 1', 2**62 + 1), ('nodes["s"].output', {}), ('nodes.s.state == "skipped"', True),
        ("inputs.n + 1", 4), ("inputs.n / 2", 1), ("inputs.n == 3.0", True), ("inputs.f > 2", True), ("1.0", 1.0),
        ("size(inputs.l) > 2", True), ("has(inputs.nope)", False), ('inputs.?nope.orValue("d")', "d"),
        ('inputs.s.upperAscii() + "!"', "TEXT!"), ("inputs.l[1]", 2), ("inputs.b ? 1 : 2", 1), ("3 in inputs.l", True),
        ("math.greatest(1, 2)", 2), ('{"a": [inputs.n, null]}', {"a": [3, None]}), ("1u", 1),
        ('timestamp("2024-01-01T02:00:00.5+01:00")', "2024-01-01T01:00:00.500000Z"), ('duration("90.5s")', "90.5s"),
        ('b"abc"', "YWJj"), ("inputs.l.map(x, x * 2)", [2, 4, 6]), ("inputs.l.filter(x, x > 1)", [2, 3]),
        ('["a", "b"].join("-")', "a-b"), ('"a-b".split("-")', ["a", "b"]), ("inputs.l.exists(x, x == 2)", True),
    ],
)  # fmt: skip
def test_values_are_plain_json_and_keep_their_type(
    expressions: Expressions, source: str, value: object
) -> None:
    result = expressions.evaluate(source, CONTEXT)

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("inputs.nope", "there is no 'nope'"),
        ("inputs.nope + 1", "there is no 'nope'"),
        ("inputs.s.x", "a member was asked of a value that is no object"),
        ("inputs.s.x == 1", "a member was asked of a value that is no object"),
        ("inputs.s + 1", "'+' does not take (string, int)"),
        ("inputs.n / 0", "divide by zero"),
        ("inputs.l[9]", "index=9 size=3"),
        ("1.0 / 0.0", "no number of JSON"),
        ("{1: 2}", "a JSON object's keys are strings"),
        ("type(1)", "the result is no JSON"),
        ("inputs.?nope", "end it with .orValue"),
        ("inputs.s ? 1 : 2", "gave no bool"),
        ("inputs.l.map(x, x.y)", "a member was asked of a value that is no object"),
        ("nope", "undeclared reference to 'nope'"),
        ("1 +", "Syntax error"),
    ],
)
def test_a_failure_names_the_expression_and_the_reason(
    expressions: Expressions, source: str, reason: str
) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        expressions.evaluate(source, CONTEXT)

    assert failed.value.source == source
    assert reason in failed.value.reason


def paths() -> list[str]:
    """Every member path up to two keys deep, of keys that are and are not there."""
    steps = (".n", ".s", ".l", ".o", ".x", ".none", '["o"]', "['x']", '[""]', '["no such"]')
    return [
        f"inputs{''.join(chosen)}"
        for length in (0, 1, 2)
        for chosen in itertools.product(steps, repeat=length)
    ]


def test_looking_a_path_up_means_what_cel_means(expressions: Expressions) -> None:
    """Measured on a busy machine: 1.6 µs for the look-up, 16 µs for CEL."""
    for path in paths():
        outcomes = []
        for run in (lambda c, path=path: expressions.evaluate(path, c), Program(path).run):
            try:
                outcomes.append(run(CONTEXT))
            except ExpressionFailed:
                outcomes.append("failed")
        assert outcomes[0] == outcomes[1], path


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    )
)  # fmt: skip
def test_json_goes_through_cel_unchanged(value: object) -> None:
    result = Program("[inputs.v][0]").run({"inputs": {"v": value}})

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("value", [{"a\0b": 1}, "a\0b", [{"x": ["\0"]}]])
def test_text_that_cel_would_cut_is_a_clear_failure(expressions: Expressions, value: object) -> None:
    with pytest.raises(ExpressionFailed, match="NUL"):
        expressions.evaluate("[inputs.v]", {"inputs": {"v": value}})
    assert expressions.evaluate("inputs.v", {"inputs": {"v": value}}) == value
    assert expressions.evaluate("[inputs.v]", {"inputs": {"v": r"\u0000"}}) == [r"\u0000"]


def test_an_integer_beyond_64_bits_is_a_clear_failure(expressions: Expressions) -> None:
    with pytest.raises(ExpressionFailed, match="out of range"):
        expressions.evaluate("inputs.n + 1", {"inputs": {"n": 2**70}})


BOMBS = {
    "iterations": "inputs.l.map(a, inputs.l.map(b, inputs.l.map(c, a + b + c)))",
    "text": 'size(["xxxxxxxx"]' + ".map(a, a + a + a + a + a + a + a + a)" * 12 + "[0])",
    "replace": '"a".replace("", "aaaaaaaaaaaaaaaaaaaa")' + '.replace("a", "aaaaaaaaaaaaaaaaaaaaaaaaa")' * 7,
    "lists": 'size([["x"]]' + ".map(a, a + a + a + a + a + a + a + a)" * 12 + "[0])",
    "shared lists": '["x"]' + ".map(a, [a, a, a, a, a, a, a, a])" * 12,
    "comparison": '["x"]' + ".map(a, [a, a, a, a, a, a, a, a])" * 12 + ".map(a, a == a)",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_stopped_and_the_next_expression_works(expressions: Expressions, bomb: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionFailed, match=r"too many items|it needs more than|larger than"):
        expressions.evaluate(BOMBS[bomb], {"inputs": {"l": list(range(200))}})

    assert expressions.evaluate("[1, 2].map(x, x + 1)", {}) == [2, 3]
    assert time.perf_counter() - started < 30, "half a second of processor time, on a busy machine"


def test_a_large_result_is_refused(expressions: Expressions) -> None:
    large = {"inputs": {"s": "x" * 100_000}}

    with pytest.raises(ExpressionFailed, match="larger than 262144 bytes"):
        expressions.evaluate("[inputs.s, inputs.s, inputs.s]", large)
    with pytest.raises(ExpressionFailed, match="larger than 262144 bytes"):
        expressions.evaluate("inputs.s + inputs.s + inputs.s", large)


@pytest.mark.parametrize(
    ("source", "tame"),
    [
        ("size(inputs.l) > 2 && has(inputs.x)", True),
        ('"x.map(a, a)" == inputs.s', True),
        ("math.greatest(inputs.a, 2)", True),
        ("inputs.l.map(x, x)", False),
        ("inputs.s.replace('a', 'b')", False),
        ("inputs.l.exists (x, x)", False),
        ("inputs.x.unheard_of()", False),
        ('inputs.l.map // """\n (a, a) // """', False),
        ('\'a\' // }} """\n + inputs.l.map(a, a) // """', False),
        ("inputs.l.`map`(a, a)", False),
        ('r"\\" + inputs.l.map(a, a)[0] + "\\"', False),
        ("+".join(["inputs.s"] * 18), False),
    ],
)
def test_what_may_loop_or_grow_is_told_from_its_text(source: str, tame: bool) -> None:
    assert is_tame(source) is tame


def test_a_closed_guard_starts_again_when_it_is_needed() -> None:
    expressions = Expressions()
    assert expressions.evaluate("[1].map(x, x)", {}) == [1]
    expressions.close()
    assert expressions.evaluate("[2].map(x, x)", {}) == [2]
    expressions.close()


def test_a_template_with_a_hyphenated_node_is_rendered(expressions: Expressions) -> None:
    template = compile_template(
        {"n": "${{ nodes.a-b.output.n }}", "t": "n=${{ nodes.a-b.output.n - 1 }}"}, {"a-b"}
    )

    assert template.render(expressions.evaluate, CONTEXT) == {"n": 7, "t": "n=6"}


def test_a_program_that_is_no_cel_has_a_sentence_for_each_error() -> None:
    with pytest.raises(NotCompiled) as wrong:
        Program("nope + nada")
    assert len(wrong.value.reasons) == 2
