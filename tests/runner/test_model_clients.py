"""Models from inside real sandboxes: an unmodified client, and ours; and nothing of the provider's key in there."""

from pathlib import Path

import pytest

from agent_runner.models.configured import Models
from agent_runner.models.reading import read_models
from penstock.contracts.agent import Reuse, SandboxLimits
from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import MIB
from penstock.contracts.messages import AgentAnswer
from tests.model_answers import Call
from tests.model_server import CHAT_MODEL, ModelServer
from tests.runner.conftest import Agents, Start
from tests.runner.peer import Peer, output_of

pytestmark = pytest.mark.sandbox

UNMODIFIED = """
    import json, os, sys
    from openai import OpenAI

    client = OpenAI()
    question = [{"role": "user", "content": "Hello?"}]
    answer = client.chat.completions.create(model="default", messages=question)
    stream = client.chat.completions.create(model="default", messages=question, stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    seen = [*os.environ.items(), open("/proc/self/environ", errors="replace").read()]
    json.dump({"text": answer.choices[0].message.content, "pieces": pieces, "seen": repr(seen)}, sys.stdout)
"""
OURS = """
    from penstock.agents import agent, context, llm

    @agent
    def asks(word: str) -> dict[str, object]:
        def shout(text: str) -> str:
            return text.upper()

        done = llm.converse([{"role": "user", "content": word}], tools=[llm.tool(shout)])
        return {"models": llm.models(), "text": done.text}

    if __name__ == "__main__":
        asks.main()
"""


APPROVED = """
    from penstock.agents import agent, llm

    @agent
    def cleans() -> list[str]:
        def look() -> list[str]:
            return ["old.txt"]

        def delete(path: str) -> str:
            return f"{path} is gone"

        tools = [llm.tool(look), llm.tool(delete, approval=True)]
        done = llm.converse([{"role": "user", "content": "Clean up."}], tools=tools)
        return [done.text, *(message["content"] for message in done.messages if message["role"] == "tool")]

    if __name__ == "__main__":
        cleans.main()
"""


@pytest.fixture
def models(model_server: ModelServer, tmp_path: Path) -> Models:
    return read_models(model_server.write_models(tmp_path), {})


async def test_an_unmodified_client_works_in_a_sandbox_without_any_network(
    start: Start, peer: Peer, agents: Agents, model_server: ModelServer, models: Models
) -> None:
    agents.add("plain", UNMODIFIED, models=("default",), sandbox=SandboxLimits(memory_bytes=512 * MIB))
    model_server.on(lambda request: "Here I am, in pieces.")
    await start(models=models)

    order = await peer.order("plain")
    result = await peer.result_of(order)

    assert result.failure is None, result.failure
    output = output_of(result)
    assert output["text"] == "Here I am, in pieces."
    assert len(output["pieces"]) > 2
    assert "".join(output["pieces"]) == output["text"]
    assert [(used.model, used.calls, used.unpriced) for used in result.usage] == [(CHAT_MODEL, 2, 0)]
    assert model_server.key not in output["seen"] + peer.text_of(order)


@pytest.mark.parametrize("reuse", [Reuse.NEVER, Reuse.FORK, Reuse.PROCESS])
async def test_our_client_works_in_every_mode(
    start: Start, peer: Peer, agents: Agents, model_server: ModelServer, models: Models, reuse: Reuse
) -> None:
    agents.add("asks", OURS, models=("default", "planned"), reuse=reuse)
    model_server.on(
        lambda request: request.text if request.messages[1:] else Call("shout", {"text": request.text})
    )
    await start(models=models)

    result = await peer.result_of(await peer.order("asks", {"word": "hello"}))

    assert result.failure is None, result.failure
    assert output_of(result) == {"models": ["default"], "text": "HELLO"}
    assert [end.error for end in peer.model_ends] == [None, None]


async def test_without_models_the_failure_says_what_to_configure(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("asks", OURS, models=("default",))
    await start()

    result = await peer.result_of(await peer.order("asks", {"word": "hello"}))

    assert result.failure is not None
    assert (result.failure.type, result.failure.error_class) == ("NoModel", ErrorClass.VALIDATION)
    assert "PENSTOCK_RUNNER_MODELS_FILE" in result.failure.message


@pytest.mark.parametrize("approved", [True, False])
async def test_a_tool_that_needs_approval_parks_the_attempt_and_goes_on_at_the_same_point(
    start: Start, peer: Peer, agents: Agents, model_server: ModelServer, models: Models, approved: bool
) -> None:
    agents.add("cleans", APPROVED, models=("default",), reuse=Reuse.FORK)
    steps = [Call("look"), Call("delete", {"path": "old.txt"}), "Done."]
    model_server.on(lambda request: steps[sum(message["role"] == "tool" for message in request.messages)])
    await start(models=models)

    first = await peer.order("cleans")
    parked = (await peer.result_of(first)).parked
    assert parked is not None
    answer = AgentAnswer(approved=approved, by="ada", comment="as I see it")
    second = await peer.order("cleans", run=first.run, attempt=2, answers={parked.key: answer})
    result = await peer.result_of(second)

    assert parked.details == {"tool": "delete", "arguments": {"path": "old.txt"}}
    assert result.failure is None, result.failure
    text, looked, deleted = output_of(result)
    assert (text, looked) == ("Done.", '["old.txt"]')
    assert deleted == ("old.txt is gone" if approved else '{"error": "ada rejected this call: as I see it"}')
    assert len(model_server.requests) == 3
    assert [used.calls for used in result.usage] == [1]
