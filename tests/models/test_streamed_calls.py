"""Streams of models through the gateway: chunk by chunk, metered, put together for the next attempt."""

import asyncio
import json
from typing import Any

import openai
import pytest

from agent_runner.models.configured import Operation
from agent_runner.models.streams import Assembled, as_events, events_of
from tests.model_answers import Answer, Call
from tests.model_server import ModelServer
from tests.models.conftest import Attempt, Runner
from tests.runner.peer import Peer

QUESTION = [{"role": "user", "content": "Hello?"}]


async def _text(attempt: Attempt, **fields: Any) -> str:
    stream = await attempt.openai.chat.completions.create(
        model="default", messages=QUESTION, stream=True, **fields
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def test_chunks_arrive_as_the_model_writes(runner: Runner, model_server: ModelServer) -> None:
    model_server.on(lambda request: "one two three four five")
    model_server.pause()
    attempt = await runner.attempt()

    stream = await attempt.openai.chat.completions.create(model="default", messages=QUESTION, stream=True)
    chunks = aiter(stream)
    seen = [(await anext(chunks)).choices[0].delta.content for _ in range(2)]
    model_server.resume()
    rest = [chunk.choices[0].delta.content or "" async for chunk in chunks]

    assert seen == ["", "one two "]
    assert "".join(rest) == "three four five"


async def test_a_stream_is_metered_although_the_agent_does_not_ask_for_usage(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "one two three")
    attempt = await runner.attempt()

    stream = await attempt.openai.chat.completions.create(model="default", messages=QUESTION, stream=True)
    chunks = [chunk async for chunk in stream]

    assert all(chunk.choices for chunk in chunks)
    (end,) = ledger.model_ends
    assert end.reply is not None
    assert (end.reply.tokens_in, end.reply.tokens_out, end.reply.estimated) == (3, 3, False)
    assert model_server.requests[0].body["stream_options"] == {"include_usage": True}


async def test_a_stream_ends_with_usage_where_the_agent_asks_for_it(
    runner: Runner, model_server: ModelServer
) -> None:
    model_server.on(lambda request: "one two three")
    attempt = await runner.attempt()

    for number in (1, 2):
        attempt = await runner.attempt(number)
        stream = await attempt.openai.chat.completions.create(
            model="default", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]

        assert chunks[-1].choices == []
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 3
    assert len(model_server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer("Here it is, in several pieces."),
        Answer("", (Call("search", {"words": "pump and seal"}), Call("read", {"path": "a.txt"}))),
        Answer(refusal="I will not say that."),
    ],
)
async def test_a_stream_is_replayed_as_a_whole_answer_and_the_other_way_round(
    runner: Runner, model_server: ModelServer, answer: Answer
) -> None:
    model_server.on(lambda request: answer)
    first, second, third = [await runner.attempt(number) for number in (1, 2, 3)]

    async with first.openai.chat.completions.stream(model="default", messages=QUESTION) as stream:
        streamed = (await stream.get_final_completion()).choices[0].message
    whole = (
        (await second.openai.chat.completions.create(model="default", messages=QUESTION)).choices[0].message
    )
    async with third.openai.chat.completions.stream(model="default", messages=QUESTION) as stream:
        again = (await stream.get_final_completion()).choices[0].message

    assert len(model_server.requests) == 1
    for message in (streamed, whole, again):
        assert (message.content or "", message.refusal or "") == (answer.text, answer.refusal)
        calls = [(call.function.name, call.function.arguments) for call in message.tool_calls or []]
        assert calls == [(call.name, call.text) for call in answer.calls]


async def test_a_stream_that_breaks_off_is_an_error_and_is_metered(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "one two three four five")
    model_server.break_off()
    attempt = await runner.attempt()

    with pytest.raises(openai.APIError, match="broke off"):
        await _text(attempt)

    (end,) = ledger.model_ends
    assert end.error is not None
    assert end.estimated
    assert end.tokens_in > 0
    assert end.tokens_out > 0
    assert end.cost_dollars
    assert await _text(attempt) == "one two three four five"
    assert [begin.occurrence for begin in ledger.model_begins] == [0, 0]


async def test_an_error_before_the_first_event_is_tried_again(
    runner: Runner, model_server: ModelServer
) -> None:
    model_server.on(lambda request: "well")
    model_server.server_error()
    attempt = await runner.attempt()

    assert await _text(attempt) == "well"


async def test_a_stream_that_nobody_reads_to_its_end_is_settled(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "one two three four five")
    model_server.pause()
    attempt = await runner.attempt()

    body = {"model": "default", "messages": QUESTION, "stream": True}
    async with attempt.http.stream("POST", "/v1/chat/completions", json=body) as response:
        await anext(response.aiter_lines())
    await ledger.until(lambda: bool(ledger.model_ends))

    (end,) = ledger.model_ends
    assert end.error == "the agent did not wait for the answer"
    assert end.tokens_in > 0


async def test_the_older_completions_stream_too(runner: Runner, model_server: ModelServer) -> None:
    model_server.on(lambda request: "upon a time there was")

    async def text(attempt: Attempt) -> str:
        stream = await attempt.openai.completions.create(model="default", prompt="Once", stream=True)
        return "".join([chunk.choices[0].text async for chunk in stream])

    assert await text(await runner.attempt(1)) == "upon a time there was"
    assert await text(await runner.attempt(2)) == "upon a time there was"
    assert len(model_server.requests) == 1


async def _pieces(text: bytes, size: int) -> Any:
    for start in range(0, len(text), size):
        yield text[start : start + size]


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_events_are_found_however_they_are_cut(size: int) -> None:
    text = b': hello\r\ndata: {"a":1}\r\n\r\nevent: x\ndata:two\ndata: lines\n\ndata: [DONE]'

    found = [event async for event in events_of(_pieces(text, size))]

    assert found == [b'{"a":1}', b"two\nlines", b"[DONE]"]


def test_what_servers_add_to_their_chunks_is_put_together_too() -> None:
    whole = Assembled(Operation.CHAT)
    for delta in (
        {"role": "assistant", "reasoning_content": "hm, "},
        {"reasoning_content": "yes"},
        {"content": "so"},
    ):
        whole.take({"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta}]})
    whole.take(
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    )

    message = whole.document()["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "so", "reasoning_content": "hm, yes"}
    assert whole.is_whole
    events = [
        event.removeprefix(b"data: ")
        for event in as_events(whole.document(), Operation.CHAT, with_usage=False)
    ]
    assert json.loads(events[0])["choices"][0]["delta"]["reasoning_content"] == "hm, yes"
    assert events[-1] == b"[DONE]\n\n"


async def test_calls_at_once_do_not_wait_for_each_other(runner: Runner, model_server: ModelServer) -> None:
    model_server.on(lambda request: f"to {request.text}")
    model_server.hang()
    attempt = await runner.attempt()

    calls = {asyncio.create_task(attempt.chat(text)) for text in ("first", "second")}
    answered, hanging = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    model_server.resume()
    await asyncio.wait(hanging)

    assert len(answered) == 1
    assert [call.result().status_code for call in (*answered, *hanging)] == [200, 200]
