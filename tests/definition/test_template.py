"""Templates: where expressions end, what they name, and that values keep their types."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.template import (
    Expression,
    ExpressionFailed,
    Literal,
    TemplateError,
    compile_template,
    condition,
    holds,
    references,
    rewrite,
    split,
)
from penstock.contracts.workflow import Json

KNOWN = frozenset({"a", "a-b", "sign-off", "scan", "a-nodes", "in"})


def echo(source: str, context: Mapping[str, Json]) -> Json:
    """Stands for CEL: answers with what it was asked, so that a test sees both."""
    return {"source": source, "context": dict(context)}


def answer(value: Json):
    return lambda source, context: value


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("${{ inputs.a }}", ["inputs.a"]),
        ("x ${{ inputs.a }} y ${{inputs.b}} z", ["inputs.a", "inputs.b"]),
        ('${{ {"a": {"b": 1}} }}', ['{"a": {"b": 1}}']),
        ('${{{"a": {"b": 1}}}}', ['{"a": {"b": 1}}']),
        ('${{ "}}" + inputs.a }}', ['"}}" + inputs.a']),
        (r'${{ "\"}}" + inputs.a }}', [r'"\"}}" + inputs.a']),
        ("${{ '}}' }}", ["'}}'"]),
        ('${{ """a "quoted" }} b""" }}', ['"""a "quoted" }} b"""']),
        (r'${{ r"\" + inputs.a }}', [r'r"\" + inputs.a']),
        ("${{ inputs.a // why }}", ["inputs.a // why"]),
        ('${{ "${{" }}', ['"${{"']),
        ("no expression, but } and }} and { and $", []),
    ],
)
def test_expressions_end_where_their_braces_close(text: str, sources: list[str]) -> None:
    parts = split(text)

    assert [part.source for part in parts if isinstance(part, Expression)] == sources
    rebuilt = "".join(
        part.text if isinstance(part, Literal) else f"${{{{ {part.source} }}}}" for part in parts
    )
    assert rebuilt.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${{ inputs.a", "without '}}'"),
        ("${{ }}", "empty expression"),
        ('${{ "a }}', "a string is not closed"),
        ("${{ inputs.a } }}", "'}' without '{'"),
        ("${{ " + "a" * 4097 + " }}", "longer than 4096 bytes"),
        ("${{ " + "é" * 2049 + " }}", "longer than 4096 bytes"),
        ("${{ nodes[inputs.a].output }}", "name the node that is meant"),
        ('${{ nodes["a" + "b"] }}', "name the node that is meant"),
        ("${{ size(nodes) }}", "name the node that is meant"),
        ("${{ nodes.map(n, n) }}", "name the node that is meant"),
        ('${{ nodes[?"a"] }}', "name the node that is meant"),
        ("${{ nodes.?a }}", "name the node that is meant"),
        ("${{ nodes.`a` }}", "name the node that is meant"),
    ],
)
def test_a_text_that_is_no_template_says_why(text: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason.replace("[", r"\[")):
        split(text, KNOWN)


@pytest.mark.parametrize(
    ("source", "cel", "nodes"),
    [
        ("nodes.scan.output", "nodes.scan.output", {"scan"}),
        ("nodes.sign-off.output", 'nodes["sign-off"].output', {"sign-off"}),
        ('nodes["sign-off"].output', 'nodes["sign-off"].output', {"sign-off"}),
        ("nodes['a-b']", "nodes['a-b']", {"a-b"}),
        ("nodes.a-b.output", 'nodes["a-b"].output', {"a-b"}),
        ("nodes.a-c.output", "nodes.a-c.output", {"a"}),
        ("nodes.a-bc", "nodes.a-bc", {"a"}),
        ("nodes.a-b-c", 'nodes["a-b"]-c', {"a-b"}),
        ("nodes.a-1", "nodes.a-1", {"a"}),
        ("nodes.a-nodes.output", 'nodes["a-nodes"].output', {"a-nodes"}),
        ("nodes.sing-off.output", 'nodes["sing-off"].output', {"sing-off"}),
        ("nodes.a.output - nodes.a-b.output", 'nodes.a.output - nodes["a-b"].output', {"a", "a-b"}),
        ("nodes . a-b . output", 'nodes ["a-b"] . output', {"a-b"}),
        ("nodes.in.output", 'nodes["in"].output', {"in"}),
        ('"nodes.a" + inputs.nodes.scan', '"nodes.a" + inputs.nodes.scan', set()),
        ("true ?nodes.a:nodes.scan", "true ?nodes.a:nodes.scan", {"a", "scan"}),
        (".nodes.a.output", ".nodes.a.output", {"a"}),
        ("// nodes.scan\nnodes.a", "// nodes.scan\nnodes.a", {"a"}),
    ],
)
def test_known_names_are_matched_longest_first(source: str, cel: str, nodes: set[str]) -> None:
    assert rewrite(source, KNOWN) == cel
    assert references(source, KNOWN) == nodes


def test_one_expression_keeps_its_type_and_text_around_makes_a_string() -> None:
    template = compile_template({"one": "${{ inputs.x }}", "text": "<${{ inputs.x }}>", "plain": [1, None]})

    for value, text in [([1, "é"], '[1,"é"]'), (True, "true"), (None, "null"), (2.5, "2.5"), ("s", "s")]:
        rendered = template.render(answer(value), {"inputs": {}})
        assert rendered == {"one": value, "text": f"<{text}>", "plain": [1, None]}
        assert type(rendered["one"]) is type(value)


def test_a_value_without_expressions_is_handed_out_as_it_is() -> None:
    value = {"a": [1, {"b": "$ { { }"}]}

    template = compile_template(value)

    assert template.hole is None
    assert template.render(answer("never"), {}) is value


def test_data_never_becomes_an_expression() -> None:
    template = compile_template({"a": "${{ inputs.x }}", "b": "-${{ inputs.x }}-"})
    asked = []

    def evaluate(source: str, context: Mapping[str, Json]) -> Json:
        asked.append(source)
        return "${{ nodes.secret.output }}"

    rendered = template.render(evaluate, {"inputs": {}})

    assert rendered == {"a": "${{ nodes.secret.output }}", "b": "-${{ nodes.secret.output }}-"}
    assert asked == ["inputs.x", "inputs.x"]


def test_rendering_leaves_the_definition_as_it_was() -> None:
    value = {"list": ["${{ inputs.x }}", {"deep": "${{ inputs.x }}"}]}
    template = compile_template(value)

    first = template.render(answer(1), {"inputs": {}})
    second = template.render(answer(2), {"inputs": {}})

    assert (first, second) == ({"list": [1, {"deep": 1}]}, {"list": [2, {"deep": 2}]})
    assert value == {"list": ["${{ inputs.x }}", {"deep": "${{ inputs.x }}"}]}


def test_an_expression_is_given_only_what_it_reads() -> None:
    nodes = {"a": {"state": "succeeded", "output": {"x": 1, "y": 2}}, "scan": {"output": "big"}}
    context = {"inputs": {"p": 1, "q": {"r": 2}}, "nodes": nodes, "run": {"id": "7"}}

    def given(text: str) -> Json:
        return compile_template(text, KNOWN).render(echo, context)["context"]

    assert given("${{ nodes.a.output.x + inputs.q.r }}") == {
        "nodes": {"a": {"output": {"x": 1}}},
        "inputs": {"q": {"r": 2}},
    }
    assert given("${{ nodes.a.output.x + size(nodes.a) }}") == {"nodes": {"a": nodes["a"]}}
    assert given("${{ nodes.scan.output.deeper }}") == {"nodes": {"scan": {"output": "big"}}}
    assert given("${{ nodes.a.output.size() }}") == {"nodes": {"a": {"output": {"x": 1, "y": 2}}}}
    assert given("${{ nodes.sign-off.output }}") == {"nodes": {}}


def test_a_failure_shows_the_expression_as_its_author_wrote_it() -> None:
    template = compile_template("${{ nodes.sign-off.output.x }}", KNOWN)

    def fail(source: str, context: Mapping[str, Json]) -> Json:
        raise ExpressionFailed(source, "there is no 'x'")

    with pytest.raises(ExpressionFailed) as failed:
        template.render(fail, {"nodes": {}})
    assert failed.value.source == "nodes.sign-off.output.x"
    assert failed.value.reason == "there is no 'x'"


def test_a_condition_is_one_expression_that_gives_a_bool() -> None:
    assert holds(condition("${{ inputs.go }}"), answer(True), {"inputs": {}}) is True
    with pytest.raises(ExpressionFailed, match="expected true or false, got false"):
        holds(condition("${{ inputs.go }}"), answer("false"), {"inputs": {}})
    for text in ("true", "${{ a }} ${{ b }}", "x${{ a }}", ""):
        with pytest.raises(TemplateError):
            condition(text)


@given(st.text(alphabet="${}\"'\\ ab.-[]nodes/\n`r()?:", max_size=80))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        parts = split(text, KNOWN)
    except TemplateError:
        return
    for part in parts:
        if isinstance(part, Expression):
            assert rewrite(part.cel, KNOWN) == part.cel, "rewriting twice changes nothing"
            assert references(part.cel, KNOWN) == set(part.nodes)


@given(st.lists(st.text(alphabet="ab $}\n", max_size=8), min_size=1, max_size=5))
def test_literals_around_expressions_are_kept_to_the_letter(texts: list[str]) -> None:
    text = "${{ inputs.x }}".join(texts)

    parts = split(text)

    assert "".join(p.text if isinstance(p, Literal) else "${{ inputs.x }}" for p in parts) == text
    assert sum(isinstance(part, Expression) for part in parts) == len(texts) - 1


@given(st.sets(st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True), min_size=1), st.data())
def test_every_known_name_is_found_by_its_dotted_form(names: set[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(names)))

    assert references(f"nodes.{name}.output.value", names) == {name}
    assert references(f'nodes["{name}"].output.value', names) == {name}
