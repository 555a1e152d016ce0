"""Agents that ask people: in every mode the attempt ends as parked, and with an answer another one goes on."""

import asyncio
import json

import pytest

from agent_runner.held import Held
from penstock.contracts.agent import Reuse
from penstock.contracts.limits import ANSWERS_BYTES_MAX, QUESTION_BYTES_MAX
from penstock.contracts.messages import AgentAnswer, AgentQuestion
from tests.runner.conftest import Agents, Start, Started
from tests.runner.peer import SECONDS_MAX, Peer, output_of

pytestmark = pytest.mark.sandbox

ASKS = """
    import sys
    from penstock.agents import agent, context

    @agent
    def deploy(files: int = 1) -> dict:
        try:
            answer = context.ask("deploy", "Deploy?", details={"files": files}, assignees=["ada"])
        except Exception:
            return {"swallowed": True}
        finally:
            context.checkpoint.save({"seen": "finally"})
        return {"approved": answer.approved, "by": answer.by, "fields": answer.fields}

    if __name__ == "__main__":
        deploy.run()
"""
QUESTION = AgentQuestion("deploy", "Deploy?", details={"files": 3}, assignees=("ada",))
YES = AgentAnswer(True, "ada", fields={"when": "now"})

TOGETHER = """
    import asyncio
    from penstock.agents import agent, context

    @agent
    async def together(asks: bool) -> str:
        if asks:
            try:
                await context.ask_async("go", "Go?")
            except BaseException:
                await asyncio.sleep(60 if context.node == "deaf" else 0)
                raise
        await asyncio.sleep(0.4)
        return "done"

    if __name__ == "__main__":
        together.run()
"""

CURL = """
    import http.client, json, os, signal, socket, sys, time

    connection = http.client.HTTPConnection("gateway")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["PENSTOCK_SOCKET"])
    said = json.load(sys.stdin)
    headers = {"Penstock-Attempt": os.environ["PENSTOCK_ATTEMPT_KEY"]}
    connection.request("POST", "/v1/questions", json.dumps(said["question"]), headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    time.sleep(said.get("lingers", 0))
    print(json.dumps([answer.status, body]))
"""


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_runner.held.PARK_GRACE_S", 0.5)


@pytest.mark.parametrize("reuse", list(Reuse))
async def test_an_agent_asks_and_goes_on_with_the_answer(
    start: Start, peer: Peer, agents: Agents, reuse: Reuse
) -> None:
    agents.add("deploy", ASKS, reuse=reuse)
    await start()

    parked = await peer.result_of(first := await peer.order("deploy", {"files": 3}))
    again = await peer.order("deploy", run=first.run, attempt=2, answers={"deploy": YES})
    result = await peer.result_of(again)

    assert parked.parked == QUESTION
    assert (parked.failure, output_of(parked), parked.released) == (None, None, False)
    assert parked.seconds > 0
    assert output_of(result) == {"approved": True, "by": "ada", "fields": {"when": "now"}}
    assert json.loads(peer.checkpoints[first.run, "n"]) == {"seen": "finally"}


async def test_what_else_a_worker_does_is_not_disturbed_by_a_question(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("together", TOGETHER, reuse=Reuse.PROCESS, concurrency=4)
    await start(slots=4)

    asking = await peer.order("together", {"asks": True})
    deaf = await peer.order("together", {"asks": True}, node="deaf")
    others = [await peer.order("together", {"asks": False}) for _ in range(2)]

    assert (await peer.result_of(asking)).parked == AgentQuestion("go", "Go?")
    assert [output_of(await peer.result_of(other)) for other in others] == ["done", "done"]
    assert (await peer.result_of(deaf)).parked is not None
    assert {result.failure for result in peer.results} == {None}


@pytest.mark.parametrize("lingers", [0, 60], ids=["ends well", "goes on"])
async def test_an_agent_that_does_not_care_is_parked_all_the_same(
    start: Start, peer: Peer, agents: Agents, lingers: float
) -> None:
    agents.add("curl", CURL)
    await start()

    asked = {"question": {"key": "go", "message": "Go?"}, "lingers": lingers}
    result = await peer.result_of(await peer.order("curl", asked))

    assert result.parked == AgentQuestion("go", "Go?")
    assert (output_of(result), result.failure) == (None, None)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"message": "Go?"}, "missing required field `key`"),
        ({"key": "go", "message": " "}, "message: expected 1 to 2000 characters"),
        ({"key": "go", "message": "Go?", "form": {"type": "objct"}}, "form.type"),
        ({"key": "go", "message": "Go?", "asignees": ["ada"]}, "unknown field `asignees`"),
        ({"key": "go", "message": "Go?", "details": "x" * QUESTION_BYTES_MAX}, "artifacts"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_the_reason_and_parks_nothing(
    start: Start, peer: Peer, agents: Agents, question: dict[str, object], says: str
) -> None:
    agents.add("curl", CURL)
    await start()

    result = await peer.result_of(await peer.order("curl", {"question": question}))

    status, problem = output_of(result)
    assert status == 422
    assert says in problem["detail"]


@pytest.mark.parametrize(
    ("count", "size", "says"),
    [(64, 1, "64 questions"), (5, ANSWERS_BYTES_MAX // 5, "limit of 524288")],
    ids=["too many", "too large"],
)
async def test_an_agent_cannot_ask_for_ever(
    start: Start, peer: Peer, agents: Agents, count: int, size: int, says: str
) -> None:
    agents.add("curl", CURL)
    await start()
    answers = {f"q{number}": AgentAnswer(True, "ada", fields={"x": "x" * size}) for number in range(count)}

    asked = {"question": {"key": "one-more", "message": "Go?"}}
    result = await peer.result_of(await peer.order("curl", asked, answers=answers))

    status, problem = output_of(result)
    assert status == 413
    assert says in problem["detail"]


async def test_an_attempt_parked_without_a_question_goes_back_at_no_cost(
    start: Start, peer: Peer, agents: Agents
) -> None:
    """As a budget does it that pauses the run."""
    agents.add("slow", "import time; time.sleep(60)")
    started = await start()
    order = await peer.order("slow")
    held = await _running(started)

    assert held.park(None)
    result = await peer.result_of(order)

    assert result.released
    assert (result.parked, result.failure, output_of(result)) == (None, None, None)
    assert result.seconds > 0


async def test_a_cancel_that_came_first_counts(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("slow", "import time; time.sleep(60)")
    started = await start()
    order = await peer.order("slow")
    held = await _running(started)

    held.cancelled.set()

    assert not held.park(AgentQuestion("go", "Go?"))
    result = await peer.result_of(order)
    assert result.parked is None
    assert result.failure is not None
    assert result.failure.type == "Cancelled"


async def test_a_runner_that_goes_reports_what_was_parked_as_parked(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("curl", CURL)
    started = await start(drain_grace_s=0.1)
    order = await peer.order("curl", {"question": {"key": "go", "message": "Go?"}, "lingers": 60})
    held = await _running(started)
    await _until_parked(held)

    started.stop.drain.set()

    assert (await peer.result_of(order)).parked == AgentQuestion("go", "Go?")


async def _running(started: Started) -> Held:
    async with asyncio.timeout(SECONDS_MAX):
        while not (held := list(started.runner.held)) or not held[0].began:
            await asyncio.sleep(0.01)
    return held[0]


async def _until_parked(held: Held) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while held.parking is None:
            await asyncio.sleep(0.01)
