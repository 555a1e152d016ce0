"""Graphs: edges from needs and expressions, cycles as paths, and deep chains without recursion."""

import random
import time

from penstock.contracts import graph
from penstock.contracts.workflow import NodeDefinition, WorkflowDefinition


def node(
    name: str, *, needs: tuple[str, ...] = (), with_: object = None, if_: str | None = None
) -> NodeDefinition:
    return NodeDefinition(name=name, agent="worker", needs=needs, with_=with_, if_=if_)


def test_edges_come_from_needs_conditions_and_inputs_each_once() -> None:
    workflow = WorkflowDefinition(
        name="w",
        nodes=(
            node("a"),
            node("a-b"),
            node(
                "c",
                needs=("a", "a"),
                if_="${{ nodes.a-b.output.go }}",
                with_={"x": ["${{ nodes.a.output }}"]},
            ),
            node("d", needs=("nobody",), with_="${{ nodes.c.state + nodes.else.output }} nodes.a"),
        ),
    )

    edges = graph.edges(workflow)

    assert edges == {"a": (), "a-b": (), "c": ("a", "a-b"), "d": ("c",)}
    assert graph.downstream(edges) == {"a": ("c",), "a-b": ("c",), "c": ("d",), "d": ()}
    assert graph.topological_order(edges) == ("a", "a-b", "c", "d")
    assert graph.find_cycle(edges) is None


def test_a_cycle_is_a_path_in_the_direction_of_the_work() -> None:
    edges = {"start": (), "a": ("start", "c"), "b": ("a",), "c": ("b",), "behind": ("c",), "free": ("start",)}

    assert graph.find_cycle(edges) == ("a", "b", "c", "a")
    assert graph.unreachable(edges) == ("a", "b", "c", "behind")


def test_a_node_that_needs_itself_is_a_cycle() -> None:
    assert graph.find_cycle({"a": ("a",)}) == ("a", "a")


def test_separate_cycles_are_all_found_up_to_the_limit() -> None:
    edges = {"a": ("b",), "b": ("a",), "c": ("d",), "d": ("c",), "e": ("e",)}

    assert graph.find_cycles(edges, cycles_max=10) == (("a", "b", "a"), ("c", "d", "c"), ("e", "e"))
    assert len(graph.find_cycles(edges, cycles_max=2)) == 2


def test_a_chain_of_5000_nodes_is_walked_without_recursion() -> None:
    chain = {f"n{i}": (f"n{i - 1}",) if i else () for i in range(5_000)}
    ring = {**chain, "n0": ("n4999",)}

    started = time.perf_counter()
    order = graph.topological_order(chain)
    cycle = graph.find_cycle(ring)

    assert order == tuple(chain)
    assert cycle is not None
    assert len(cycle) == 5_001
    assert graph.unreachable(ring) == tuple(ring)
    assert time.perf_counter() - started < 2


def test_random_layered_graphs_are_ordered_and_have_no_cycle() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    names = [f"n{i}" for i in range(2_000)]
    edges = {
        name: tuple(dict.fromkeys(chance.choices(names[:i], k=3))) if i else ()
        for i, name in enumerate(names)
    }

    place = {name: index for index, name in enumerate(graph.topological_order(edges))}

    assert len(place) == len(names), f"seed {seed}"
    assert all(place[up] < place[name] for name, needed in edges.items() for up in needed), f"seed {seed}"
    assert graph.find_cycle(edges) is None, f"seed {seed}"
