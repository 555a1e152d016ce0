"""Why a node is not done yet, in words and in codes."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from orchestrator.domain.detail import Child, Detail, EventAwaited, Held, Lookup, Moment, Question, Spread
from orchestrator.domain.explanation.explain import (
    AgentFacts,
    Explanation,
    NodeFacts,
    QueueFacts,
    RunFacts,
    RunnerFacts,
    explain,
)
from orchestrator.domain.run import NodeState, Pause, PauseCause, RunState, Undo
from penstock.contracts.wire import encode
from tests.builders import BROKEN, RUN_ID, SHAKY

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
IDLE = RunnerFacts(id="i", pool="default", slots=2, held=0, agents={})
RUNNER = RunnerFacts(id="r1", pool="default", slots=2, held=1, agents={"scanner": AgentFacts("1.0.0")})


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
            (RunnerFacts(id="r", pool="default", slots=1, held=0, agents={"scaner": AgentFacts("1.0.0")}),),
            "no_runner_with_agent",
            "did you mean 'scaner'?",
        ),
        (
            (
                RunnerFacts(
                    id="r",
                    pool="default",
                    slots=1,
                    held=0,
                    agents={"scanner": AgentFacts("1.0.0", "no command")},
                ),
            ),
            "agent_broken",
            "cannot be run on runner 'r': no command",
        ),
        (
            (RunnerFacts(id="r", pool="default", slots=2, held=2, agents={"scanner": AgentFacts("1.0.0")}),),
            "runners_busy",
            "all 2 slots of 1 runner",
        ),
        (
            (RunnerFacts(id="g", pool="gpu", slots=1, held=0, agents=RUNNER.agents), IDLE),
            "no_runner_with_agent",
            "offers agent 'scanner', only runners of pool 'gpu' do",
        ),
        (
            (
                RUNNER,
                RunnerFacts(id="n", pool="default", slots=2, held=0, agents={"scanner": AgentFacts("2.0.0")}),
            ),
            "being_offered",
            "different versions of 'scanner': 1.0.0, 2.0.0",
        ),
        ((RUNNER,), "being_offered", "is ready and being offered to 1 runner"),
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


def suspended(detail: Detail, **fields: Any) -> tuple[str, dict[str, Any]]:
    """The sentence and the reason of a node that waits for `detail`."""
    answer = explained(node("a", NodeState.SUSPENDED, detail=detail, **fields), started_by="ada")
    return answer.nodes[0].sentence, answer.nodes[0].reason


def test_a_question_tells_who_may_answer_and_until_when() -> None:
    due = NOW + timedelta(seconds=90)

    sentence, reason = suspended(
        Question("Ship it?", assignees=("bob", "eve"), no_self_approval=True), due_at=due
    )

    assert sentence == "asks bob or eve: Ship it? (its time is over in 90.0 s)"
    assert (reason["code"], reason["assignees"], reason["until"]) == ("approval", ["bob", "eve"], due)
    assert suspended(Question("Ship it?"))[0] == "asks anybody: Ship it?"


def test_a_question_that_who_started_the_run_may_not_answer_is_asked_of_the_others() -> None:
    def asked(*assignees: str) -> str:
        return suspended(Question("Ship it?", assignees=assignees, no_self_approval=True))[0]

    assert asked() == "asks anybody but ada, who started the run: Ship it?"
    assert asked("ada", "bob") == "asks bob (ada started the run and may not answer): Ship it?"
    assert asked("ada") == "asks nobody (ada started the run and may not answer): Ship it?"


def test_a_moment_is_told_in_utc_and_a_long_wait_in_hours() -> None:
    due = (NOW + timedelta(days=2, hours=3)).astimezone(timezone(timedelta(hours=1)))

    assert suspended(Moment(due))[0] == "waits until 2026-11-22 15:00:00 UTC, in 2d3h"


def test_waiting_for_a_moment_an_event_the_cache_or_a_breaker_says_for_which() -> None:
    due = NOW + timedelta(seconds=3)

    assert suspended(Moment(due))[0] == "waits until 2026-11-20 12:00:03 UTC, in 3.0 s"
    assert suspended(Moment(), due_at=due)[1] == {"code": "moment", "until": due}
    assert suspended(EventAwaited("com.shop.paid", 60.0))[0] == "waits for an event of type 'com.shop.paid'"
    assert suspended(Lookup("abc"))[1]["code"] == "cache"
    held = Held("breaker_open", "llm", "breaker 'llm' is open")
    assert suspended(held, due_at=due)[0] == "breaker 'llm' is open; it is offered again in 3.0 s"
    assert suspended(held)[1]["code"] == "breaker_open"


def test_a_sub_workflow_names_its_run_and_how_that_is() -> None:
    child = Child("deploy", 2, RUN_ID)

    answer = explained(node("a", NodeState.RUNNING, detail=child, child_state="paused"))

    assert answer.nodes[0].sentence == f"waits for run {RUN_ID} of workflow 'deploy', which is paused"
    assert answer.nodes[0].reason["run"] == RUN_ID


def test_items_are_counted_and_the_first_open_one_is_explained() -> None:
    due = NOW + timedelta(seconds=3)
    part = node("patch[17]", NodeState.BACKOFF, attempt=1, failure=SHAKY, due_at=due)
    spread = Spread(total=100, next=45, open=5, succeeded=38, failed=2)

    answer = explained(node("patch", NodeState.RUNNING, detail=spread, max_parallel=8, open_parts=(part,)))

    assert answer.nodes[0].sentence == (
        "5 of 100 items are open, 38 succeeded, 2 failed, 55 waiting for the window of 8;"
        " the first open one, patch[17], attempt 1 failed: the line dropped; the next one begins in 3.0 s"
    )
    assert answer.nodes[0].reason["items"] == [{"item": "patch[17]", "state": "backoff"}]
    assert answer.sentence == "running: 0 of 1 nodes have ended, 1 running"


def test_a_paused_run_tells_by_whom_and_what_can_be_done() -> None:
    by_ada = Pause(PauseCause.PERSON, by="ada", reason="lunch")
    failure = Pause(PauseCause.FAILURE, by="on_failure", reason="node 'a' failed: it broke")

    answer = explained(node("a", NodeState.READY), state=RunState.PAUSED, pause=by_ada)
    failed = explained(node("a", NodeState.FAILED), state=RunState.PAUSED, pause=failure)

    assert answer.sentence.startswith("paused by ada (lunch), until a person resumes or cancels it")
    assert answer.reason["choices"] == ["resume", "cancel"]
    assert answer.nodes[0].reason == {"code": "run_paused"}
    assert failed.reason["choices"] == ["retry", "resume", "cancel"]


def test_a_queued_run_names_who_holds_the_slots() -> None:
    queue = QueueFacts("repo-x", 1, (RUN_ID,))

    answer = explained(node("a", NodeState.WAITING), state=RunState.QUEUED, queue=queue)

    assert answer.sentence == (f"queued: waits for the slot of concurrency key 'repo-x', held by {RUN_ID}")
    assert answer.nodes[0].sentence == "begins when the run does"


def test_a_run_being_undone_explains_the_step_and_one_that_is_parked_what_a_person_can_do() -> None:
    undo = Undo(by="ada", reason="withdrawn")
    step = node("charge:undo", NodeState.RUNNING, attempt=1, runner="r1")
    going_on = explained(node("charge", NodeState.COMPENSATING), step, state=RunState.COMPENSATING, undo=undo)
    parked = explained(
        node("charge", NodeState.COMPENSATION_FAILED, undo_failure=BROKEN),
        node("ship", NodeState.COMPENSATION_FAILED, undo_skipped=True),
        state=RunState.PAUSED,
        pause=Pause(PauseCause.COMPENSATION, by="penstock", reason="could not undo charge"),
        undo=undo,
    )

    assert going_on.sentence == "compensating (withdrawn): 0 nodes are undone, now 'charge'"
    assert [each.node for each in going_on.nodes] == ["charge:undo"]
    assert [each.node for each in parked.nodes] == ["charge"]
    assert "it broke; retry the run, or skip this" in parked.nodes[0].sentence
    assert parked.reason["code"] == "parked"
