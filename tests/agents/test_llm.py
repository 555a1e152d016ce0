"""`penstock.agents.llm` against a server that behaves as real ones do; the runner's part is tested in tests/models."""

import json
from typing import Any, Literal

import pytest

from penstock.agents import (
    Invalid,
    LimitReached,
    ModelRefused,
    NetworkFailed,
    NoModel,
    NotAuthenticated,
    RateLimited,
    llm,
)
from tests.model_answers import Call
from tests.model_server import CHAT_MODEL, EMBEDDING_MODEL, ModelRequest, ModelServer

COLOUR = {"type": "object", "required": ["colour"], "properties": {"colour": {"enum": ["red", "blue"]}}}
QUESTION = [{"role": "user", "content": "Which colour has the sky?"}]


@pytest.fixture(autouse=True)
def _direct(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_SOCKET", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", model_server.key)


def test_a_chat_gives_text_and_what_it_used(model_server: ModelServer) -> None:
    model_server.on(lambda request: "It is blue.")

    reply = llm.chat(QUESTION, max_tokens=50, temperature=0)

    assert (reply.text, reply.finish_reason) == ("It is blue.", "stop")
    assert (reply.usage.tokens_in, reply.usage.tokens_out) == (7, 4)
    assert model_server.requests[0].body["temperature"] == 0


def test_models_are_those_that_the_server_has() -> None:
    assert llm.models() == [CHAT_MODEL, EMBEDDING_MODEL]


def test_without_any_model_the_error_says_what_to_configure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")

    assert llm.models() == []
    with pytest.raises(NoModel, match="OPENAI_BASE_URL"):
        llm.ask("Hello")


@pytest.mark.parametrize(
    "text", ['{"colour": "blue"}', '<think>hm</think>\n```json\n{"colour": "blue"}\n```']
)
def test_an_answer_with_a_schema_is_data(model_server: ModelServer, text: str) -> None:
    model_server.on(lambda request: text)

    assert llm.ask("Which?", schema=COLOUR) == {"colour": "blue"}
    assert model_server.requests[0].schema == COLOUR


def test_a_model_that_answers_wrongly_is_told_once_what_is_wrong(model_server: ModelServer) -> None:
    model_server.on(lambda request: {"colour": "blue" if len(request.messages) > 1 else "green"})

    reply = llm.chat(QUESTION, schema=COLOUR)

    assert reply.data == {"colour": "blue"}
    assert "green" in model_server.requests[1].text
    assert reply.usage.tokens_out == 2 * 9


def test_a_model_that_answers_wrongly_twice_is_an_error(model_server: ModelServer) -> None:
    model_server.on(lambda request: "no idea")

    with pytest.raises(Invalid, match="twice"):
        llm.chat(QUESTION, schema=COLOUR)
    assert len(model_server.requests) == 2


def test_refusals_and_answers_that_were_cut_off_are_told_apart(model_server: ModelServer) -> None:
    model_server.on(lambda request: {"colour": "blue"})
    model_server.refusal("I may not say.")

    with pytest.raises(ModelRefused, match="I may not say"):
        llm.ask("Which?", schema=COLOUR)
    with pytest.raises(LimitReached, match="cut off after 3 tokens"):
        llm.chat(QUESTION, schema=COLOUR, max_tokens=3)


@pytest.mark.parametrize(
    ("misbehave", "error"),
    [
        (lambda server: server.rate_limit(), RateLimited),
        (lambda server: server.server_error(status=503), NetworkFailed),
        (lambda server: server.context_length_exceeded(), LimitReached),
        (lambda server: server.refuse_key(), NotAuthenticated),
    ],
)
def test_each_failure_has_a_class(model_server: ModelServer, misbehave: Any, error: type[Exception]) -> None:
    misbehave(model_server)

    with pytest.raises(error):
        llm.chat(QUESTION)


def test_an_unknown_model_is_no_model(model_server: ModelServer) -> None:
    with pytest.raises(NoModel, match="does not exist"):
        llm.chat(QUESTION, model="nonesuch")


def test_texts_that_share_words_are_near_each_other(model_server: ModelServer) -> None:
    sky, heaven, pump = llm.embed(["the sky is blue", "the blue sky", "a pump needs oil"])

    assert _product(sky, heaven) > _product(sky, pump)


async def test_the_async_twins_do_the_same(model_server: ModelServer) -> None:
    model_server.on(lambda request: "yes")

    assert await llm.ask_async("Is it?") == "yes"
    assert len(await llm.embed_async(["x"])) == 1


def weather(city: str, unit: Literal["celsius", "kelvin"] = "celsius") -> dict[str, object]:
    """The weather of a city."""
    if city == "Atlantis":
        raise LookupError("it has sunk")
    return {"city": city, "degrees": 21, "unit": unit}


def _asks(*calls: Call) -> Any:
    """A script that calls tools, one after the other, and then says what the last one answered."""

    def script(request: ModelRequest) -> Any:
        made = sum(message["role"] == "tool" for message in request.messages)
        return calls[made] if made < len(calls) else f"I heard: {request.text}"

    return script


def test_tools_are_called_until_the_model_is_done(model_server: ModelServer) -> None:
    model_server.on(_asks(Call("weather", {"city": "Bern"})))

    done = llm.converse(QUESTION, tools=[llm.tool(weather)])

    assert done.text == 'I heard: {"city": "Bern", "degrees": 21, "unit": "celsius"}'
    assert [message["role"] for message in done.messages] == ["user", "assistant", "tool", "assistant"]
    declared = model_server.requests[0].body["tools"][0]["function"]
    assert (declared["name"], declared["description"]) == ("weather", "The weather of a city.")
    assert declared["parameters"]["required"] == ["city"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (Call("weather", '{"city": "Bern'), "the arguments are no JSON"),
        (Call("weather", {"town": "Bern"}), "city: missing"),
        (Call("weather", {"city": "Atlantis"}), "LookupError: it has sunk"),
        (Call("wether", {"city": "Bern"}), "there is no tool 'wether'"),
    ],
)
def test_a_wrong_call_is_told_to_the_model(model_server: ModelServer, call: Call, told: str) -> None:
    model_server.on(_asks(call))

    done = llm.converse(QUESTION, tools=[llm.tool(weather)])

    assert told in json.loads(done.text.removeprefix("I heard: "))["error"]


def test_a_model_that_calls_tools_for_ever_is_stopped(model_server: ModelServer) -> None:
    model_server.on(lambda request: Call("weather", {"city": "Bern"}))

    with pytest.raises(LimitReached, match="3 rounds"):
        llm.converse(QUESTION, tools=[llm.tool(weather)], rounds=3)


def _product(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))
