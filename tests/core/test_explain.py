"""Why a node is not done yet, in words and in codes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.domain.explain import Explanation, NodeFacts, RunFacts, RunnerFacts, explain
from orchestrator.domain.run import NodeState, RunState
from penstock.contracts.wire import encode
from tests.builders import BROKEN, RUN_ID, SHAKY

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUNNER = RunnerFacts(id="r1", pool="default", slots=2, held=1, agents={"scanner": None})


def node(name: str, state: NodeState, **fields: Any) -> NodeFacts:
    return NodeFacts(
        name=name,
        state=state,
        agent=fields.pop("agent", "scanner"),
        pool="default",
        needs=fields.pop("needs", ()),
        **fields,
    )


def explained(
    *nodes: NodeFacts,
    runners: tuple[RunnerFacts, ...] = (RUNNER,),
    state: RunState = RunState.RUNNING,
    **run: Any,
) -> Explanation:
    return explain(RunFacts(id=RUN_ID, state=state, **run), nodes=nodes, runners=runners, now=NOW)


def test_a_waiting_node_names_what_it_waits_for() -> None:
    answer = explained(
        node("a", NodeState.SUCCEEDED),
        node("b", NodeState.RUNNING, runner="r1", attempt=1),
        node("c", NodeState.WAITING, needs=("a", "b")),
    )

    assert [each.node for each in answer.nodes] == ["b", "c"]
    assert answer.nodes[1].sentence == "waits for 'b' (running)"
    assert answer.nodes[1].reason == {"code": "waits_for", "nodes": [{"node": "b", "state": "running"}]}
    assert answer.sentence == "running: 1 of 3 nodes have ended, 1 running, 1 waiting"


def test_a_long_list_of_needs_is_cut_in_the_sentence_only() -> None:
    needs = tuple(f"n{index}" for index in range(8))

    answer = explained(
        *[node(name, NodeState.READY) for name in needs], node("z", NodeState.WAITING, needs=needs)
    )

    assert answer.nodes[-1].sentence.endswith("'n4' (ready) and 3 more")
    assert len(answer.nodes[-1].reason["nodes"]) == 8


def test_a_back_off_tells_why_and_when() -> None:
    due = NOW + timedelta(seconds=3)

    answer = explained(node("a", NodeState.BACKOFF, attempt=2, failure=SHAKY, due_at=due))

    assert answer.nodes[0].sentence == "attempt 2 failed: the line dropped; the next one begins in 3.0 s"
    assert answer.nodes[0].reason["due_at"] == due


@pytest.mark.parametrize(
    ("runners", "code", "words"),
    [
        ((), "no_runner_in_pool", "no runner of pool 'default' is there: start one"),
        (
            (RunnerFacts(id="g", pool="gpu", slots=1, held=0, agents={}),),
            "no_runner_in_pool",
            "there are runners of 'gpu'",
        ),
        (
            (RunnerFacts(id="r", pool="default", slots=1, held=0, agents={"scaner": None}),),
            "no_runner_with_agent",
            "did you mean 'scaner'?",
        ),
        (
            (RunnerFacts(id="r", pool="default", slots=1, held=0, agents={"scanner": "no command"}),),
            "agent_broken",
            "cannot be run on runner 'r': no command",
        ),
        (
            (RunnerFacts(id="r", pool="default", slots=2, held=2, agents={"scanner": None}),),
            "runners_busy",
            "all 2 slots of the 1 runners",
        ),
        ((RUNNER,), "being_offered", "is ready and being offered to 1 runners"),
    ],
)
def test_a_ready_node_tells_what_stands_in_the_way(
    runners: tuple[RunnerFacts, ...], code: str, words: str
) -> None:
    answer = explained(node("a", NodeState.READY, attempt=1, publication=1), runners=runners)

    assert answer.nodes[0].reason["code"] == code
    assert words in answer.nodes[0].sentence


def test_a_running_node_tells_where_and_since_when() -> None:
    running = node("a", NodeState.RUNNING, attempt=1, runner="r1", started_at=NOW - timedelta(seconds=8))

    answer = explained(running)

    assert answer.nodes[0].sentence == "runs as attempt 1 on runner 'r1' for 8 s"
    assert answer.nodes[0].reason["code"] == "running"


def test_a_node_whose_runner_is_silent_says_so() -> None:
    answer = explained(node("a", NodeState.RUNNING, attempt=1, runner="gone"))

    assert answer.nodes[0].reason["code"] == "runner_silent"


def test_a_run_being_cancelled_tells_what_it_waits_for() -> None:
    answer = explained(
        node("a", NodeState.RUNNING, attempt=1, runner="r1"),
        state=RunState.CANCELLING,
        cancel_reason="enough",
    )

    assert answer.nodes[0].reason["code"] == "stopping"
    assert answer.sentence.startswith("cancelling (enough), waits for what still runs")


def test_an_ended_run_has_nothing_to_explain_but_its_end() -> None:
    answer = explained(node("a", NodeState.FAILED), state=RunState.FAILED, failure=BROKEN)

    assert answer.nodes == ()
    assert answer.sentence == "failed: it broke"
    assert explained(state=RunState.CANCELLED, cancel_reason="").sentence == "cancelled"
    assert explained(state=RunState.CANCELLED, cancel_reason="enough").sentence == "cancelled: enough"


def test_an_explanation_can_be_sent() -> None:
    due = NOW + timedelta(seconds=3)

    answer = encode(explained(node("a", NodeState.BACKOFF, attempt=2, failure=SHAKY, due_at=due)))

    assert b'"code":"retry_due","due_at":"2026-11-20T12:00:03Z"' in answer
