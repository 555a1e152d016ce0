"""What agents do, well or badly, and what the orchestrator is told."""

import pytest

from penstock.contracts.agent import Reuse
from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import OUTPUT_BYTES_MAX
from tests.runner.conftest import Agents, Start
from tests.runner.peer import Peer, output_of

pytestmark = pytest.mark.sandbox

ECHO = "import json, sys; json.dump(json.load(sys.stdin), sys.stdout)"


async def test_output_of_an_agent_is_its_result(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("echo", ECHO)
    await start()

    result = await peer.result_of(await peer.order("echo", {"a": [1, "x"]}))

    assert result.failure is None
    assert output_of(result) == {"a": [1, "x"]}
    assert result.tier == "bwrap"
    assert result.seconds > 0
    await peer.until(lambda: True)
    assert await peer.waiting() == 0


@pytest.mark.parametrize("reuse", [Reuse.FORK, Reuse.PROCESS])
async def test_workers_serve_many_attempts(start: Start, peer: Peer, agents: Agents, reuse: Reuse) -> None:
    source = """
        from penstock.agents import agent

        @agent
        def double(number: int) -> int:
            return 2 * number

        if __name__ == "__main__":
            double.run()
    """
    agents.add("double", source, reuse=reuse)
    await start(slots=2)

    orders = [await peer.order("double", {"number": number}) for number in range(20)]

    results = [await peer.result_of(order) for order in orders]
    assert {result.failure for result in results} == {None}
    assert [output_of(result) for result in results] == [2 * number for number in range(20)]


@pytest.mark.parametrize(
    ("source", "error_class", "words"),
    [
        ("print('hello')", ErrorClass.VALIDATION, "JSON"),
        ("print('x' * 10_000_000)", ErrorClass.RESOURCE, "output"),
        ("print('\"' + 'x' * 300_000 + '\"')", ErrorClass.RESOURCE, "output"),
        ("import sys; sys.exit(75)", ErrorClass.TEMPORARY, ""),
        ("def work():\n    raise KeyError('lost')\n\nwork()", ErrorClass.ERROR, "lost"),
    ],
    ids=["no JSON", "10 MB", "a little too much", "try again", "a stack"],
)
async def test_failures_say_what_is_wrong(
    start: Start, peer: Peer, agents: Agents, source: str, error_class: ErrorClass, words: str
) -> None:
    agents.add("bad", source)
    await start()

    result = await peer.result_of(await peer.order("bad"))

    assert output_of(result) is None
    assert result.failure is not None
    assert result.failure.error_class is error_class
    assert words.lower() in result.failure.message.lower()


async def test_a_stack_is_kept(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("bad", "import sys, traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n"
               "    traceback.print_exc()\n    sys.exit(3)\n")  # fmt: skip
    await start()

    result = await peer.result_of(await peer.order("bad"))

    assert result.failure is not None
    assert result.failure.stack is not None
    assert "ZeroDivisionError" in result.failure.stack


async def test_agent_that_ignores_sigterm_ends_at_its_timeout(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("deaf", """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    """)  # fmt: skip
    await start()

    result = await peer.result_of(await peer.order("deaf", timeout_s=0.5))

    assert result.failure is not None
    assert result.failure.error_class is ErrorClass.TIMEOUT


async def test_input_that_does_not_match_never_starts_the_agent(
    start: Start, peer: Peer, agents: Agents
) -> None:
    schema = {"type": "object", "required": ["source"], "properties": {"source": {"type": "string"}}}
    agents.add("strict", ECHO, input=schema)
    await start()

    missing = await peer.result_of(await peer.order("strict", {"sauce": "x"}))

    assert missing.failure is not None
    assert missing.failure.error_class is ErrorClass.VALIDATION
    assert "source" in missing.failure.message


async def test_output_that_does_not_match_names_the_field(start: Start, peer: Peer, agents: Agents) -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    agents.add("strict", ECHO, output=schema)
    await start()

    wrong = await peer.result_of(await peer.order("strict", {"count": "many"}))

    assert wrong.failure is not None
    assert wrong.failure.error_class is ErrorClass.VALIDATION
    assert "output.count" in wrong.failure.message


async def test_largest_output_passes(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("large", f"print('\"' + 'x' * {OUTPUT_BYTES_MAX - 3} + '\"')")
    await start()

    result = await peer.result_of(await peer.order("large"))

    assert result.failure is None


async def test_log_lines_arrive_in_order_and_without_secrets(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("chatty", """
        import base64, sys, urllib.parse
        secret = "s3cr3t/with+signs"
        for number in range(250):
            print("line", number, file=sys.stderr)
        print("plain", secret, file=sys.stderr)
        print("basic", base64.b64encode(b"user:" + secret.encode()).decode(), file=sys.stderr)
        print("url", urllib.parse.quote(secret, safe=""), file=sys.stderr)
        print("{}")
    """, secrets=("TOKEN",))  # fmt: skip
    await start(secrets={"default": {"TOKEN": "s3cr3t/with+signs"}})

    order = await peer.order("chatty")
    await peer.until(lambda: "url" in peer.text_of(order))

    lines = peer.text_of(order).splitlines()
    assert lines[:250] == [f"line {number}" for number in range(250)]
    assert lines[250] == "plain [redacted]"
    assert lines[252] == "url [redacted]"
    assert "[redacted]" in lines[251]
    firsts = sorted(batch.first for batch in peer.logs)
    assert firsts[0] == 1
    assert max(len(batch.lines) for batch in peer.logs) <= 100
