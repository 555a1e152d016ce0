"""Each place of the language speaks of what is known there, waits for the nodes that it names, and of no more."""

import time

import pytest

from penstock.contracts import graph
from penstock.definition import check, load
from penstock.definition.expressions import Expressions
from penstock.definition.nesting import depth, find_recursion, names_of_sub_workflows

COMMON = ("inputs.x", "nodes.a.output", "run.id")
NEVER = ("event", "alert", "schedule", "input", "output", "previous", "iteration", "item", "index")

PLACES = {
    "if": ("agent: x, if: '%s'", ()),
    "with": ("agent: x, with: '%s'", ()),
    "with of foreach": ("agent: x, foreach: [1], with: '%s'", ("item", "index")),
    "with of repeat": (
        "agent: x, repeat: {until: '${{ true }}', max: 2}, with: '%s'",
        ("iteration", "previous"),
    ),
    "with of sub-workflow": ("workflow: y, foreach: [1], with: '%s'", ("item", "index")),
    "foreach": ("agent: x, foreach: '%s'", ()),
    "foreach list": ("agent: x, foreach: ['%s']", ()),
    "cache.key": ("agent: x, cache: {key: '%s', ttl: 1d}", ()),
    "cache.key of foreach": ("agent: x, foreach: [1], cache: {key: '%s', ttl: 1d}", ("item", "index")),
    "until": ("agent: x, repeat: {until: '%s', max: 2}", ("output", "iteration")),
    "until of foreach": (
        "agent: x, foreach: [1], repeat: {until: '%s', max: 2}",
        ("output", "iteration", "item", "index"),
    ),
    "compensate": ("agent: x, needs: [a], compensate: {agent: y, with: '%s'}", ("input", "output")),
    "compensate of foreach": (
        "agent: x, needs: [a], foreach: [1], compensate: {agent: y, with: '%s'}",
        ("input", "output", "item", "index"),
    ),
    "approval.message": ("approval: {message: '%s'}", ()),
    "wait.duration": ("wait: {duration: '%s'}", ()),
    "wait.until": ("wait: {until: '%s'}", ()),
    "wait.event.if": ("wait: {event: {type: t, if: '%s'}}", ("event",)),
}

GIVE_BOOL = ("if", "until", "until of foreach", "wait.event.if")


def messages(node: str, source: str) -> list[str]:
    text = f"name: w\nnodes:\n  a: {{agent: x}}\n  b: {{{node % f'${{{{ {source} }}}}'}}}\n"
    return [problem.message for problem in check(text)]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_speaks_of_its_variables_and_of_no_others(place: str) -> None:
    node, own = PLACES[place]

    for source in (*COMMON, *own):
        typed = f"dyn({source}) == 1" if place in GIVE_BOOL else source
        assert messages(node, typed) == [], source
    for source in set(NEVER) - set(own):
        (message, *_) = messages(node, source)
        assert f"undeclared reference to '{source}'" in message
        assert message.endswith(f"speaks of {', '.join(('inputs', 'nodes', 'run', *own))}")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("concurrency: {key: '${{ %s }}'}", ("inputs", "run")),
        ("triggers: [{event: {type: t, if: '${{ dyn(%s) == 1 }}'}}]", ("event",)),
        ("triggers: [{event: {type: t, input: {x: '${{ %s }}'}}}]", ("event",)),
        ("triggers: [{alert: {match: {a: b}, input: '${{ %s }}'}}]", ("alert",)),
        ("triggers: [{alert: {match: {a: b}, if: '${{ %s }}'}}]", ("alert",)),
        ("triggers: [{schedule: {cron: 0 0 * * *, input: {x: '${{ %s }}'}}}]", ("schedule",)),
    ],
)
def test_what_starts_runs_speaks_of_what_started_it(text: str, spoken: tuple[str, ...]) -> None:
    workflow = f"name: w\nnodes: {{a: {{agent: x}}}}\n{text}"

    for source in spoken:
        assert check(workflow % source) == []
    for source in {"nodes.a.output", "inputs", "run", "item", "event", "alert", "schedule"} - set(spoken):
        (problem,) = check(workflow % source)
        assert "undeclared reference" in problem.message
        assert problem.message.endswith(f"this place speaks of {', '.join(spoken)}")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("wait: {event: {type: t, if: '${{ event.dta.x }}'}}", "no member of event named 'dta'; did you mean 'data'?"),
        ("agent: x, foreach: [1], with: '${{ index.x }}'", "type 'int' cannot be the operand"),
        ("agent: x, foreach: [1], if: '${{ item.x }}'", "undeclared reference to 'item.x'"),
        ("agent: x, with: '${{ [1].map(item, item + 1) }}'", None),
        ("agent: x, foreach: [1], with: '${{ inputs.l.map(event, event.foo) }}'", None),
        ("agent: x, repeat: {until: '${{ nodes.b.output.x }}', max: 2}", "node 'b' can't need itself"),
        ("agent: x, cache: {key: '${{ nodes.b.output.x }}', ttl: 1d}", "node 'b' can't need itself"),
        ("agent: x, compensate: {agent: y, with: '${{ nodes.b.output.id }}'}", None),
        ("agent: x, compensate: {agent: y, with: '${{ nodes.c.output.id }}'}", "no node named 'c'"),
        ("agent: x, compensate: {agent: y, with: '${{ nodes.a.output.id }}'}",
         "node 'b' does not need 'a', which may not have ended; add it to needs"),
    ],
)  # fmt: skip
def test_what_an_expression_says_of_its_variables_is_checked(node: str, message: str | None) -> None:
    found = [p.message for p in check(f"name: w\nnodes:\n  a: {{agent: x}}\n  b: {{{node}}}\n")]

    assert len(found) == (0 if message is None else 1), found
    assert message is None or message in found[0]


def test_undoing_may_speak_of_what_was_needed_over_others() -> None:
    text = """
        name: w
        nodes:
          a: {agent: x}
          b: {agent: x, needs: [a]}
          c: {agent: x, with: "${{ nodes.b.output }}", compensate: {agent: y, with: "${{ nodes.a.output.id }}"}}
    """

    assert check(text) == []


def test_every_place_but_undoing_makes_an_edge() -> None:
    definition = load("""
        name: w
        nodes:
          a: {agent: x}
          b1: {agent: x, foreach: "${{ nodes.a.output.l }}"}
          b2: {agent: x, foreach: [{n: "${{ nodes.a.output.l }}"}]}
          b3: {agent: x, cache: {key: "${{ nodes.a.output.l }}", ttl: 1d}}
          b4: {agent: x, repeat: {until: "${{ nodes.a.output.l }}", max: 3}}
          b5: {approval: {message: "${{ nodes.a.output.l }}"}}
          b6: {wait: {duration: "${{ nodes.a.output.l }}s"}}
          b7: {wait: {until: "${{ nodes.a.output.l }}"}}
          b8: {wait: {event: {type: t, if: "${{ event.id == nodes.a.output.l }}"}}}
          c: {agent: x, needs: [b1], compensate: {agent: y, with: "${{ nodes.a.output.l }}"}}
    """).definition

    edges = graph.edges(definition)

    assert {name for name, needed in edges.items() if needed == ("a",)} == {f"b{n}" for n in range(1, 9)}
    assert edges["c"] == ("b1",)


def test_variables_of_places_are_evaluated() -> None:
    expressions = Expressions()
    context = {"item": {"n": 2}, "index": 3, "iteration": 1, "previous": {}, "event": {"data": {"x": "y"}}}

    assert expressions.evaluate("item.n", context) == 2
    assert expressions.evaluate("index + 1", context) == 4
    assert expressions.evaluate("has(previous.x) || iteration == 1", context) is True
    assert expressions.evaluate("event.data.x + '!'", context) == "y!"


def test_thousands_of_undo_steps_that_name_others_are_checked_in_good_time() -> None:
    undo = '{agent: y, with: "${{ nodes.n0.output }}"}'
    chain = "".join(f"  n{i}: {{agent: x, needs: [n{i - 1}], compensate: {undo}}}\n" for i in range(1, 2_000))

    started = time.perf_counter()

    assert check(f"name: w\nnodes:\n  n0: {{agent: x}}\n{chain}") == []
    assert time.perf_counter() - started < 5


def test_recursion_is_found_with_its_way_and_depth_is_counted() -> None:
    saved = {"a": ("b", "c"), "b": (), "c": ("d",), "d": ("b", "a"), "e": ("a",)}

    assert find_recursion("a", saved.get) == ("a", "c", "d", "a")
    assert find_recursion("e", saved.get) is None
    assert find_recursion("b", saved.get) is None
    assert (depth("b", saved.get), depth("a", {**saved, "d": ("b",)}.get)) == (0, 3)
    definition = load("name: w\nnodes: {x: {workflow: b}, y: {workflow: b}, z: {workflow: a}}").definition
    assert names_of_sub_workflows(definition) == ("b", "a")
