"""Validation: every mistake at once with its line and the nearest name, and large definitions in good time."""

import json
import random
import time
from datetime import timedelta

import pytest
import yaml

from penstock.contracts.errors import InvalidInput, LimitExceeded, Problem
from penstock.contracts.failure import ErrorClass
from penstock.contracts.workflow import RETRY_PROFILES, OnFailure, RunIf
from penstock.definition import check, from_document, load

TEN_MISTAKES = """\
name: repository-guard
descripton: a key with a slip
inputs:
  type: object
  properties: {repository: {type: strng}}
timeout: 5 minutes
nodes:
  scan:
    agent: security-scanner
    retry: standart
    with: {source: "${{ inputs.repository }}", again: "${{ nodes.scann.output }}"}
  review:
    agent: code-reviewer
    needs: [scan, report]
    if: "${{ size(nodes.scan.output.findings) }}"
  report:
    agent: reporter
    needs: [review]
    run_if: all_don
    with: "${{ items.first }}"
  Patch:
    agent: patcher
    foreach: "${{ size(nodes.scan.output.patches) }}"
on_failure: compensat
"""

SOUND = """\
name: w
nodes:
  a: {agent: x}
  b: {agent: x, with: {y: "${{ nodes.a.output.y }}"}}
"""


def problems_of(text: str) -> list[tuple[int | None, str, str]]:
    return [(problem.line, problem.path, problem.message) for problem in check(text)]


def only_problem(text: str) -> Problem:
    problems = check(text)
    assert len(problems) == 1, problems
    return problems[0]


def node(fields: str) -> str:
    return f"name: w\nnodes:\n  a: {{agent: x}}\n  b:\n    agent: x\n    {fields}\n"


def test_ten_mistakes_are_told_at_once_each_with_its_line() -> None:
    found = {(line, path): message for line, path, message in problems_of(TEN_MISTAKES)}

    expected = {
        (2, "descripton"): "unknown key 'descripton'; did you mean 'description'?",
        (5, "inputs.properties.repository.type"): "unknown JSON type; expected one of array,",
        (6, "timeout"): "expected a duration like 500ms, 90s, 5m, 2h, 1d or 1h30m, got '5 minutes'",
        (10, "nodes.scan.retry"): "no retry profile named 'standart'; did you mean 'standard'?",
        (11, "nodes.scan.with.again"): "no node named 'scann'; did you mean 'scan'?",
        (12, "nodes.review"): "a cycle: review → report → review",
        (15, "nodes.review.if"): "an `if` gives true or false; size(nodes.scan.output.findings) gives int",
        (
            19,
            "nodes.report.run_if",
        ): "expected one of all_succeeded, any_succeeded, all_done; got 'all_don'; did",
        (20, "nodes.report.with"): "in items.first: undeclared reference to 'items",
        (21, "nodes.Patch"): "expected a name: a lower-case letter",
        (23, "nodes.Patch.foreach"): "a `foreach` gives a list; size(nodes.scan.output.patches) gives int",
        (
            24,
            "on_failure",
        ): "expected one of stop, continue, compensate, pause; got 'compensat'; did you mean",
    }
    assert found.keys() == expected.keys()
    for place, message in expected.items():
        assert found[place].startswith(message), place


def test_json_has_the_same_mistakes_with_lines_of_its_own() -> None:
    document = yaml.safe_load(TEN_MISTAKES.replace("on_failure", '"on_failure"'))
    in_json = json.dumps(document, indent=1)

    from_yaml, from_json = check(TEN_MISTAKES), check(in_json)

    assert {(p.path, p.message) for p in from_yaml} == {(p.path, p.message) for p in from_json}
    lines = in_json.splitlines()
    for problem in from_json:
        assert problem.line is not None
        assert problem.path.split(".")[-1] in lines[problem.line - 1]


def test_loading_raises_all_problems_and_names_the_first() -> None:
    with pytest.raises(
        InvalidInput, match=r"workflow 'repository-guard' is not valid: line 2: descripton.*11 more"
    ) as no:
        load(TEN_MISTAKES)
    assert no.value.problems == tuple(check(TEN_MISTAKES))


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ("needs: [c]", "nodes.b.needs[0]", "no node named 'c'; expected one of a, b"),
        ("needs: [b]", "nodes.b.needs[0]", "node 'b' can't need itself"),
        ("needs: a", "nodes.b.needs", "expected a list of node names, got 'a'"),
        ("needs: [1]", "nodes.b.needs[0]", "expected text, got the number 1"),
        ("with: '${{ nodes.b.output }}'", "nodes.b.with", "node 'b' can't need itself"),
        ("with: {x: ['${{ nodes.a.outptu }}']}", "nodes.b.with.x[0]", "did you mean 'output'?"),
        ("with: '${{ run.ID }}'", "nodes.b.with", "no member of run named 'ID'; expected one of id"),
        ("with: '${{ input.x }}'", "nodes.b.with", "did you mean 'inputs'?"),
        ("with: '${{ nodes.a.output + }}'", "nodes.b.with", "Syntax error"),
        ("with: '${{ nodes[inputs.x] }}'", "nodes.b.with", "name the node that is meant"),
        ("with: 'x ${{ y'", "nodes.b.with", "without '}}'"),
        ("with: '${{ nope(1) }}'", "nodes.b.with", "undeclared reference to 'nope'"),
        ("if: 'true'", "nodes.b.if", "an `if` is exactly one expression: write ${{ true }}"),
        ("if: '${{ true }} '", "nodes.b.if", "an `if` is exactly one expression"),
        ("if: true", "nodes.b.if", "expected text, got true"),
        ("timeout: 90", "nodes.b.timeout", "expected a duration like 500ms"),
        ("timeout: 0s", "nodes.b.timeout", "expected a duration from 1ms to 30d, got '0s'"),
        ("timeout: 31d", "nodes.b.timeout", "expected a duration from 1ms to 30d, got '31d'"),
        ("timeout: 5m 30s", "nodes.b.timeout", "got '5m 30s'"),
        ("retry: {attempts: 0}", "nodes.b.retry.attempts", "expected a whole number from 1 to 100"),
        ("retry: {attempts: true}", "nodes.b.retry.attempts", "got true"),
        ("retry: {factor: 0.5}", "nodes.b.retry.factor", "expected a number from 1 to 100"),
        ("retry: {jitter: 2}", "nodes.b.retry.jitter", "expected a number from 0 to 1"),
        ("retry: {delay: 9s, max_delay: 1s}", "nodes.b.retry.max_delay", "shorter than delay"),
        ("retry: {retry_on: [timeot]}", "nodes.b.retry.retry_on[0]", "did you mean 'timeout'?"),
        ("retry: {atempts: 3}", "nodes.b.retry.atempts", "did you mean 'attempts'?"),
        ("retry: 3", "nodes.b.retry", "expected one of standard"),
        ("pool: 'No'", "nodes.b.pool", "expected a name"),
        ("agnet: y", "nodes.b.agnet", "unknown key 'agnet'; did you mean 'agent'?"),
    ],
)
def test_a_mistake_in_a_node_is_named_with_what_was_expected(fields: str, path: str, message: str) -> None:
    problem = only_problem(node(fields))

    assert problem.path == path
    assert message in problem.message
    assert problem.line == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping with `name` and `nodes`, got nothing"),
        ("- a", "expected a mapping with `name` and `nodes`, got a list"),
        ("name: w", "'nodes' is missing"),
        ("name: w\nnodes: {}", "a workflow needs at least one node"),
        ("name: w\nnodes: []", "expected a mapping from node names to nodes, got a list"),
        ("name: w\nnodes: {a: }", "expected a mapping with `agent`, `workflow`, `approval` or `wait`, got"),
        (
            "name: w\nnodes: {a: {}}",
            "what the node does is missing: expected exactly one of agent, workflow",
        ),
        ("nodes: {a: {agent: x}}", "'name' is missing"),
        ("name: 1.0\nnodes: {a: {agent: x}}", "expected a name"),
        (SOUND + "description: 1.10", "expected text, got the number 1.1; put it in quotes"),
        (SOUND + "inputs: ", "expected a JSON Schema, got nothing"),
        (SOUND + "inputs: {type: array}", "the input of a run is an object"),
        (SOUND + "inputs: {properties: 3}", 'not a JSON Schema: 3 is not of type "object"'),
        (SOUND + "inputs: {$ref: 'http://127.0.0.1:1/x'}", "not a JSON Schema"),
        (SOUND + "inputs: {patternProperties: {'(': {}}}", "not a JSON Schema"),
        (SOUND + "output: ['${{ nodes.c.output }}']", "no node named 'c'; expected one of a, b"),
        (SOUND + 'description: "a\\0b"', "contains the character U+0000"),
        (SOUND + 'output: {"a\\0b": 1}', "contains the character U+0000"),
    ],
)
def test_a_mistake_in_the_workflow_is_named(text: str, message: str) -> None:
    assert message in only_problem(text).message


def test_inputs_that_expressions_use_are_declared() -> None:
    schema = "inputs: {properties: {path: {}}, additionalProperties: %s}"
    text = "name: w\nnodes: {a: {agent: x, with: ['${{ inputs.pth }}', '${{ inputs.path }}']}}\n"

    closed, opened = only_problem(text + schema % "false"), only_problem(text + schema % "true")

    assert closed.message == "inputs has no property 'pth'; did you mean 'path'?"
    assert (closed.severity, opened.severity) == ("error", "warning")


def test_warnings_do_not_refuse() -> None:
    text = SOUND + "timeout: 5m\ninputs: {properties: {unused: {}}}\n"

    loaded = load(text.replace("b: {", "b: {timeout: 1h, "))

    assert [(problem.line, problem.path) for problem in loaded.warnings] == [
        (4, "nodes.b.timeout"),
        (6, "inputs.properties.unused"),
    ]


def test_a_node_behind_a_cycle_is_told_too() -> None:
    found = check(
        "name: w\nnodes:\n  a: {agent: x, needs: [b]}\n  b: {agent: x, needs: [a]}\n  c: {agent: x, needs: [b]}"
    )

    assert [(p.severity, p.message) for p in found] == [
        ("error", "a cycle: a → b → a"),
        ("warning", "node 'c' can never run: it waits for a cycle"),
    ]


def test_everything_that_an_author_wrote_arrives() -> None:
    loaded = load("""
        name: w
        description: d
        inputs: {type: object}
        timeout: 1h30m
        on_failure: continue
        nodes:
          b: {agent: x}
          a:
            agent: y
            pool: gpu
            with: {n: 1, t: "${{ nodes.b.output }}"}
            needs: [b]
            if: "${{ nodes.b.output.go }}"
            run_if: any_succeeded
            timeout: 500ms
            retry: {attempts: 7, delay: 9s, retry_on: [network]}
        output: "${{ nodes.a.output }}"
    """)

    workflow = loaded.definition
    first, second = workflow.nodes
    assert (workflow.name, workflow.description, workflow.output) == ("w", "d", "${{ nodes.a.output }}")
    assert (workflow.timeout, workflow.on_failure) == (timedelta(minutes=90), OnFailure.CONTINUE)
    assert (first.name, first.retry, second.name) == ("b", RETRY_PROFILES["standard"], "a")
    assert (second.pool, second.needs, second.run_if) == ("gpu", ("b",), RunIf.ANY_SUCCEEDED)
    assert (second.if_, second.timeout) == ("${{ nodes.b.output.go }}", timedelta(milliseconds=500))
    assert second.with_ == {"n": 1, "t": "${{ nodes.b.output }}"}
    assert (second.retry.attempts, second.retry.delay_max) == (7, timedelta(seconds=9))
    assert second.retry.retry_on == frozenset({ErrorClass.NETWORK})
    assert from_document(loaded.document) == workflow


def test_the_digest_knows_neither_spelling_nor_comments_nor_order() -> None:
    one = load("name: w\nnodes:\n  a: {agent: x, timeout: 5m}\n  b: {agent: 'x'} # why\n")
    two = load('{"nodes": {"b": {"agent": "x"}, "a": {"timeout": "5m", "agent": "x"}}, "name": "w"}')
    other = load("name: w\nnodes:\n  a: {agent: x, timeout: 6m}\n  b: {agent: x}\n")

    assert one.digest == two.digest
    assert one.digest != other.digest
    assert [node.name for node in one.definition.nodes] == ["a", "b"]


def layered(count: int, *, seed: int) -> str:
    """`count` nodes, each with up to three parents before it, by needs and by expression."""
    chance = random.Random(seed)
    nodes: dict[str, object] = {"node-0": {"agent": "worker"}}
    for index in range(1, count):
        parents = [f"node-{chance.randrange(max(0, index - 100), index)}" for _ in range(3)]
        nodes[f"node-{index}"] = {
            "agent": "worker",
            "needs": sorted(set(parents[:2])),
            "with": {"a": f"${{{{ nodes.{parents[2]}.output.value }}}}"},
            "if": f"${{{{ nodes.{parents[0]}.output.n > 0 }}}}",
        }
    return json.dumps({"name": "large", "nodes": nodes})


def test_2000_nodes_are_loaded_below_the_second() -> None:
    """Measured on 2 busy cores: 0.4 s from JSON, 0.6 s from YAML."""
    seed = random.randrange(2**32)
    text = layered(2_000, seed=seed)

    started = time.perf_counter()
    loaded = load(text)
    seconds = time.perf_counter() - started

    assert len(loaded.definition.nodes) == 2_000
    assert loaded.warnings == ()
    assert seconds < 3, f"seed {seed}"


def test_a_chain_of_5000_nodes_is_checked_and_its_ring_is_told_as_one_cycle() -> None:
    nodes = {f"n{i}": {"agent": "x", "needs": [f"n{i - 1}"] if i else []} for i in range(5_000)}
    assert check(json.dumps({"name": "chain", "nodes": nodes})) == []

    nodes["n0"]["needs"] = ["n4999"]
    problem = only_problem(json.dumps({"name": "chain", "nodes": nodes}))

    assert problem.message.startswith("a cycle: n0 → n1 → n2")
    assert len(problem.message) < 400


def test_5001_nodes_are_too_many() -> None:
    nodes = {f"n{i}": {"agent": "x"} for i in range(5_001)}

    assert (
        only_problem(json.dumps({"name": "w", "nodes": nodes})).message
        == "5001 nodes; at most 5000 are allowed"
    )


def test_thousands_of_mistakes_are_cut_and_found_in_good_time() -> None:
    nodes = {f"node-{i}": {"agent": "x", "needs": [f"nod-{i}", f"noode-{i}"]} for i in range(5_000)}
    text = json.dumps({"name": "w", "nodes": nodes})

    started = time.perf_counter()
    problems = check(text)

    assert len(problems) == 1_001
    assert problems[-1].message == "and 9000 more problems"
    assert "did you mean" in problems[0].message
    assert time.perf_counter() - started < 10


def test_a_definition_over_a_mebibyte_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="at most 1048576"):
        load(SOUND + "#" * 1_048_576)
