"""What a step costs: the out-degree of the node that ended, never the size of the run."""

from collections.abc import Iterator, Mapping
from time import process_time

import pytest

from orchestrator.domain.decide import begin, decide
from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded
from orchestrator.domain.node import Node
from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.plan import Plan
from orchestrator.domain.run import Run, RunState
from penstock.contracts.value import replace
from tests.builders import RUN_ID, evaluate, node, plan, token


def layered(size: int, *, width: int = 20) -> Plan:
    """Each node needs three of the layer before."""
    nodes = []
    for index in range(size):
        first = (index // width - 1) * width
        needs = {f"n{first + (index + step) % width}" for step in range(3)} if first >= 0 else set()
        nodes.append(node(f"n{index}", *sorted(needs)))
    return plan(*nodes)


def run_to_the_end(of: Plan) -> Run:
    decision = begin(id=RUN_ID, project="default", plan=of, input=b"{}", evaluate=evaluate)
    ready = [command.node for command in decision.commands]
    run = decision.run
    for name in ready:
        held = token(name)
        run = decide(run, AttemptClaimed(node=name, attempt=1, token=held, runner="r"), evaluate=evaluate).run
        done = decide(
            run, AttemptSucceeded(node=name, attempt=1, token=held, output=b"{}"), evaluate=evaluate
        )
        run = done.run
        ready.extend(command.node for command in done.commands)
    return run


class Counted(dict[str, Node]):
    """Counts what is read, and how often somebody walks over everything."""

    reads = 0
    walks = 0

    def __getitem__(self, name: str) -> Node:
        self.reads += 1
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()

    def keys(self) -> "Mapping[str, Node]":  # type: ignore[override]
        self.walks += 1
        return super().keys()  # type: ignore[return-value]


@pytest.mark.parametrize("size", [100, 5_000])
def test_a_completion_reads_its_neighbours_only(size: int) -> None:
    of = layered(size)
    run = begin(id=RUN_ID, project="default", plan=of, input=b"{}", evaluate=evaluate).run
    held = token("n0")
    run = decide(run, AttemptClaimed(node="n0", attempt=1, token=held, runner="r"), evaluate=evaluate).run
    counted = Counted({name: run.nodes[name] for name in of.nodes})
    run = replace(run, nodes=NodeMap(counted))

    decide(run, AttemptSucceeded(node="n0", attempt=1, token=held, output=b"{}"), evaluate=evaluate)

    assert counted.reads <= 3 * (1 + len(of.nodes["n0"].downstream))
    assert counted.walks == 0


def test_a_run_of_5000_nodes_costs_no_more_a_node_than_one_of_500() -> None:
    def seconds_a_node(size: int) -> float:
        of = layered(size)
        best = float("inf")
        for _ in range(2):
            began = process_time()
            assert run_to_the_end(of).state is RunState.SUCCEEDED
            best = min(best, process_time() - began)
        return best / size

    small, large = seconds_a_node(500), seconds_a_node(5_000)

    # Folding the map costs √size: three times as much at ten times the size, and it is a small part.
    # A walk over all nodes at each step would cost ten times as much.
    assert large < 4 * small, f"{small * 1e6:.1f} µs a node became {large * 1e6:.1f} µs"


def test_a_map_keeps_its_past_and_its_overlay_small() -> None:
    names = [f"n{index}" for index in range(10_000)]
    first: NodeMap[int] = NodeMap(dict.fromkeys(names, 1))
    maps = [first]

    for index, name in enumerate(names[:500]):
        maps.append(maps[-1].with_changes({name: index + 2}))

    assert first["n0"] == 1
    assert maps[1]["n0"] == 2
    assert (maps[1]["n1"], maps[-1]["n1"]) == (1, 3)
    assert len(maps[-1]) == 10_000
    assert max(len(each._overlay) for each in maps) <= 100


def test_a_map_takes_in_what_begins_later_and_the_old_map_stays_as_it_was() -> None:
    old = NodeMap({"a": 1})

    new = old.with_changes({"b": 2})

    assert dict(new.items()) == {"a": 1, "b": 2}
    assert len(new) == 2
    assert "b" not in old
