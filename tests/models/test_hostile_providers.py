"""Providers that answer with something else than the API has it: told as their failure, settled, never kept."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.model_server import KEY
from tests.models.conftest import Attempt, Runner, Start
from tests.models.raw_provider import ANSWER, RawProvider, delta, events, http, raw_provider
from tests.runner.peer import Peer


@pytest.fixture
async def raw(model_server: object) -> AsyncIterator[RawProvider]:
    async with raw_provider() as provider:
        yield provider


@pytest.fixture
async def runner(started: Start, raw: RawProvider, tmp_path: Any) -> Runner:
    (tmp_path / "model.key").write_text(KEY)
    (tmp_path / "model.key").chmod(0o600)
    with_raw: Runner = await started(raw.models())
    return with_raw


@pytest.fixture
async def asking(runner: Runner) -> Attempt:
    return await runner.attempt()


def failed(ledger: Peer) -> bool:
    """Whether every call that was begun has been told to have no answer."""
    ends = ledger.model_ends
    return len(ends) == len(ledger.model_begins) and all(end.reply is None for end in ends)


@pytest.mark.parametrize(
    "answer",
    [
        http(b""),
        http(b"<html>Welcome</html>", kind="text/html"),
        http({}),
        http([ANSWER]),
        http({"detail": "warming up"}),
        http({"choices": "Fine."}),
        http({"choices": []}),
        http({"choices": [None]}),
        http({"choices": [{"message": "Fine."}]}),
        http({"error": {"message": "out of memory"}}),
        http(b"no gzip", "content-encoding: gzip"),
        http(b"\xff\xfe\x00"),
        http(b"x" * 70_000, f"x-long: {'y' * 200_000}"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        http(ANSWER, "content-length: 9999"),
        http(b"[" * 100_000),
    ],
)
async def test_what_is_no_answer_is_the_providers_failure(
    asking: Attempt, raw: RawProvider, ledger: Peer, answer: bytes
) -> None:
    raw.answers = [answer]

    told = await asking.chat()

    assert told.status_code == 502, told.text
    assert "provider 'raw'" in told.json()["error"]["message"]
    assert failed(ledger)


@pytest.mark.parametrize(
    "answer",
    [
        http(gzip.compress(json.dumps(ANSWER).encode()), "content-encoding: gzip"),
        http({**ANSWER, "error": None}),
        http({**ANSWER, "usage": None}),
        http({**ANSWER, "usage": {"prompt_tokens": "many"}}),
    ],
)
async def test_unusual_answers_are_answers(
    asking: Attempt, raw: RawProvider, ledger: Peer, answer: bytes
) -> None:
    raw.answers = [answer]

    told = await asking.chat()

    assert told.json()["choices"][0]["message"]["content"] == "Fine."
    assert [end.reply is not None for end in ledger.model_ends] == [True]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed_with_the_key(
    asking: Attempt, raw: RawProvider, status: str
) -> None:
    async with raw_provider() as elsewhere:
        elsewhere.answers = [http(ANSWER)]
        raw.answers = [http(b"", f"location: {elsewhere.url}/chat/completions", status=status)]

        told = await asking.chat()

        assert (told.status_code, told.json()["error"]["code"]) == (502, "provider_failed")
        assert KEY in raw.heads[0]
        assert elsewhere.heads == []


@pytest.mark.parametrize("status", ["402 Payment Required", "409 Conflict", "423 Locked", "418 Teapot"])
async def test_what_a_provider_says_is_not_taken_for_penstocks_own_word(
    asking: Attempt, raw: RawProvider, ledger: Peer, status: str
) -> None:
    """402 is a budget here, 409 another attempt, and 423 that this one is parked."""
    error = {"message": f"Insufficient Balance {KEY}", "code": f"budget_exceeded {KEY}", "type": KEY}
    raw.answers = [http({"error": error}, status=status)]

    told = await asking.chat()

    assert told.status_code == 502
    assert told.json()["error"]["code"] == "provider_failed"
    assert "Insufficient Balance" in told.text
    assert KEY not in told.text
    assert failed(ledger)


@pytest.mark.parametrize(
    "end",
    [
        events(delta("Fine."), "data: {no json\n\n"),
        events(delta("Fine."), [1]),
        events(delta("Fine."), {"choices": "x"}),
        events(delta("Fine."), {"choices": [None]}),
        events(delta("Fine."), {"choices": [{"index": "first", "delta": {}}]}),
        events(delta("Fine."), {"choices": [{"index": -1, "delta": {}}]}),
        events(delta("Fine."), {"choices": [{"index": 0, "delta": "more"}]}),
        events(delta("Fine."), delta("", tool_calls=[{"index": 10**9, "function": {}}])),
        events(delta("Fine."), delta("", tool_calls=[{"index": -7, "function": {}}])),
        events(delta("Fine."), delta("", tool_calls=["look"])),
        events(delta("Fine."), delta("", tool_calls=[{"index": 0, "function": {"arguments": {"a": 1}}}])),
        events(delta("Fine."), {"error": {"message": "out of memory"}}),
    ],
)
async def test_what_is_no_chunk_ends_the_stream_with_an_error(
    asking: Attempt, raw: RawProvider, ledger: Peer, end: bytes
) -> None:
    raw.answers = [end]

    told = (await asking.chat(stream=True)).text.strip().split("\n\n")

    assert "Fine." in told[0]
    assert "error" in json.loads(told[-1].removeprefix("data: "))
    assert failed(ledger)


@pytest.mark.parametrize(
    "answer",
    [
        events(": keep-alive\n\n", delta("Fi"), ": keep-alive\n\n", delta("ne."), delta("", "stop")),
        events("event: x\nid: 7\nretry: 10\n", delta("Fine."), delta(None, "stop"), end="data: [DONE]"),
        events({**delta("Fine.", "stop"), "error": None, "usage": None}, end="data: [DONE]\r\n\r\n"),
        http(ANSWER),  # a server that cannot stream
    ],
)
async def test_streams_that_differ_are_streams(
    asking: Attempt, raw: RawProvider, ledger: Peer, answer: bytes
) -> None:
    raw.answers = [answer]

    stream = await asking.openai.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "Hello?"}], stream=True
    )
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    assert text == "Fine."
    assert [end.reply is not None for end in ledger.model_ends] == [True]


async def test_a_stream_that_says_why_not_is_told(asking: Attempt, raw: RawProvider) -> None:
    raw.answers = [http({"error": {"message": "out of memory"}})]

    told = await asking.chat(stream=True)

    assert told.status_code == 502
    assert "out of memory" in told.text


async def slowly(first: bytes, again: bytes) -> AsyncIterator[bytes]:
    """Never silent for long, and never at an end."""
    yield first
    while True:
        yield again
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_provider_that_is_never_silent_ends_with_the_attempt(
    runner: Runner, raw: RawProvider, ledger: Peer, is_stream: bool
) -> None:
    attempt = await runner.attempt(timeout_s=0.4)
    raw.answers = [
        lambda: slowly(events() if is_stream else http(b"{"), b": wait\n\n" if is_stream else b" ")
    ]

    told = await attempt.chat(stream=is_stream)

    assert (told.status_code, told.json()["error"]["code"]) == (504, "timeout")
    assert failed(ledger)


async def test_a_stream_without_an_end_is_ended(asking: Attempt, raw: RawProvider, ledger: Peer) -> None:
    more = events(delta("x" * 1_000_000)).partition(b"\r\n\r\n")[2]
    raw.answers = [lambda: slowly(events(delta("Fine.")), more)]

    told = (await asking.chat(stream=True)).text.strip().split("\n\n")

    assert len(told) < 20
    assert "more than 16777216 bytes" in told[-1]
    assert failed(ledger)


@pytest.mark.parametrize(
    "document", [{}, {"data": []}, {"data": [1]}, {"data": "x"}, {"data": [{"index": 0}]}]
)
async def test_what_is_no_vector_is_the_providers_failure(
    asking: Attempt, raw: RawProvider, ledger: Peer, document: Any
) -> None:
    raw.answers = [http(document)]

    told = await asking.http.post("/v1/embeddings", json={"model": "default", "input": "Hello?"})

    assert told.status_code == 502
    assert failed(ledger)


async def test_garbage_that_repeats_the_key_does_not_tell_it(asking: Attempt, raw: RawProvider) -> None:
    raw.answers = [f"{KEY} is no key of ours\r\n\r\n".encode()]
    whole = await asking.chat()
    raw.answers = [events(delta("Fine."), f"data: {{{KEY}\n\n")]
    streamed = await asking.chat(stream=True)
    raw.answers = [events(delta("Fine."), {"error": {"message": f"{KEY} has expired"}})]
    told = await asking.chat(stream=True)

    assert "broke off" in whole.text
    assert KEY not in whole.text + streamed.text + told.text
