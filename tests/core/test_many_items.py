"""`foreach` over as many items as there may be: a window of units, and the same cost for each (design §9)."""

import tracemalloc
from time import process_time

from orchestrator.domain.decide import begin, decide
from orchestrator.domain.decision import Decision
from orchestrator.domain.detail import Spread
from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded, CompensateRequested
from orchestrator.domain.node import NODE_ENDED, Node, NodeState
from orchestrator.domain.run import Run, RunState
from orchestrator.domain.unit import item_name
from penstock.contracts.limits import FOREACH_ITEMS_MAX
from penstock.contracts.value import replace
from penstock.contracts.workflow import Compensation, ForeachDefinition
from tests.builders import RUN_ID, evaluate, node, plan, token

WINDOW = 64
HELD = token("held")
FOREACH = ForeachDefinition(items="${{ inputs.values }}", max_parallel=WINDOW)
WORKFLOW = plan(
    node(
        "each",
        foreach=FOREACH,
        with_={"value": "${{ item }}", "of": "${{ inputs.name }}"},
        compensate=Compensation(agent="undoer", with_={"value": "${{ item }}"}),
    )
)


def begun(items: int) -> Decision:
    input = b'{"name":"x","values":[' + b",".join([b"7"] * items) + b"]}"
    return begin(id=RUN_ID, project="default", plan=WORKFLOW, input=input, evaluate=evaluate)


def begun_and_done(items: int, *, done: int) -> Run:
    """A run in which all items before `done` have succeeded, as if each had been decided on."""
    run = begun(items).run
    ended = Node(NodeState.SUCCEEDED, attempt=1, publication=1, input=b'{"value":7}', output=b"1")
    units = {item_name("each", place): replace(ended, completed=10 + 2 * place) for place in range(done)} | {
        item_name("each", place): run.nodes["each[0]"] for place in range(done, done + WINDOW)
    }
    each = replace(run.nodes["each"], detail=Spread(items, next=done + WINDOW, open=WINDOW, succeeded=done))
    return replace(run, version=10 + 3 * items, nodes=run.nodes.with_changes({**units, "each": each}))


def end(run: Run, name: str) -> Decision:
    """Claim and complete."""
    attempt = run.nodes[name].attempt
    run = decide(run, AttemptClaimed(name, attempt, HELD, "r1"), evaluate=evaluate).run
    return decide(run, AttemptSucceeded(name, attempt, HELD, b"1"), evaluate=evaluate)


def seconds_each(run: Run, names: list[str]) -> float:
    """CPU time for each of these units, the best of two; the second time nothing is new to any cache."""
    best = float("inf")
    for _ in range(2):
        now, began = run, process_time()
        for name in names:
            now = end(now, name).run
        best = min(best, (process_time() - began) / len(names))
    return best


def test_of_100_000_items_no_more_are_open_than_may_run_at_once() -> None:
    first = begun(FOREACH_ITEMS_MAX)
    run, done = first.run, FOREACH_ITEMS_MAX - 1_000
    written = {"at first": len(first.changed)}

    run = begun_and_done(FOREACH_ITEMS_MAX, done=done)
    for place in range(done, FOREACH_ITEMS_MAX):
        decision = end(run, item_name("each", place))
        run = decision.run
        written["later"] = max(written.get("later", 0), len(decision.changed))

    assert len(first.run.nodes) == 1 + WINDOW
    assert written["at first"] == 1 + WINDOW
    assert written["later"] == 3  # the item that ended, the next one, and the node that counts them
    assert run.state is RunState.SUCCEEDED
    assert run.nodes["each"].output == b"[" + b",".join([b"1"] * FOREACH_ITEMS_MAX) + b"]"
    assert all(unit.state in NODE_ENDED for _, unit in run.nodes.items())


def test_an_item_of_100_000_costs_what_one_of_1_000_costs() -> None:
    names = [item_name("each", place) for place in range(500, 900)]
    last = [item_name("each", place) for place in range(99_000, 99_400)]

    few = seconds_each(begun_and_done(1_000, done=500), names)
    many = seconds_each(begun_and_done(FOREACH_ITEMS_MAX, done=99_000), last)

    # Folding the map costs √items: ten times as much at a hundred times the size, of a small part.
    # Looking at all items for each would cost a hundred times as much.
    assert many < 6 * few, f"{few * 1e6:.0f} µs an item became {many * 1e6:.0f} µs"


def test_undoing_an_item_of_20_000_costs_what_one_of_1_000_costs() -> None:
    def seconds(items: int) -> float:
        run = begun_and_done(items, done=items - WINDOW)
        for place in range(items - WINDOW, items):
            run = end(run, item_name("each", place)).run
        run = decide(run, CompensateRequested(by="ada", reason="wrong"), evaluate=evaluate).run
        return seconds_each(run, [item_name("each", items - 1 - step) + ":undo" for step in range(300)])

    few, many = seconds(1_000), seconds(20_000)

    assert many < 5 * few, f"{few * 1e6:.0f} µs a step became {many * 1e6:.0f} µs"


def test_an_item_that_has_ended_takes_little_memory() -> None:
    items = 3_000
    run = begun(items).run
    tracemalloc.start()
    try:
        for place in range(items):
            run = end(run, item_name("each", place)).run
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert now < 1_200 * items
    assert peak < 2_400 * items, "more than the run as it is and as it was"
