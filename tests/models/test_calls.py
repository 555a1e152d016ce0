"""Calls of models through the gateway, against a server that behaves as real ones do."""

import asyncio
import json

import openai
import pytest

from penstock.contracts.agent import Reuse
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.model_messages import ModelCallBegin, ModelCallVerdict, Verdict
from penstock.contracts.usage import ModelUsage
from tests.model_answers import Call
from tests.model_server import CHAT_MODEL, EMBEDDING_MODEL, ModelServer
from tests.models.conftest import Runner, Start
from tests.runner.peer import Peer

QUESTION = [{"role": "user", "content": "Hello?"}]
TWO_PROVIDERS = """
providers:
  broken: {{url: '{broken}', attempts: 2}}
  works: {{url: '{url}', key_file: model.key}}
models:
  default: {{provider: broken, model: away, fallbacks: [other], price: {{input_per_million: 1, output_per_million: 1}}}}
  other: {{provider: works, model: test-model-large, price: {{input_per_million: 3, output_per_million: 1}}}}
"""


def _error(answer: object) -> dict[str, str]:
    error: dict[str, str] = json.loads(answer.content)["error"]  # type: ignore[attr-defined]
    return error


async def test_an_unmodified_client_chats(runner: Runner, model_server: ModelServer, ledger: Peer) -> None:
    model_server.on(lambda request: "It is fine.")
    attempt = await runner.attempt()

    answer = await attempt.openai.chat.completions.create(model="default", messages=QUESTION, user="ada")

    assert answer.choices[0].message.content == "It is fine."
    (sent,) = model_server.requests
    assert (sent.model, sent.body["max_tokens"]) == (CHAT_MODEL, 2000)
    assert "penstock-attempt" not in sent.headers
    (begin,), (end,) = ledger.model_begins, ledger.model_ends
    assert (begin.operation, begin.model, begin.occurrence) == ("chat", "default", 0)
    assert end.reply is not None
    assert (end.reply.tokens_in, end.reply.tokens_out) == (3, 4)
    assert end.reply.cost_dollars == pytest.approx(3 * 2e-6 + 4 * 10e-6)


async def test_what_it_took_goes_out_with_the_result(runner: Runner, model_server: ModelServer) -> None:
    model_server.on(lambda request: "yes no")
    attempt = await runner.attempt()

    for text in ("first", "second one"):
        await attempt.chat(text)

    assert attempt.held.usage == {
        CHAT_MODEL: ModelUsage(CHAT_MODEL, 2, 5, 4, pytest.approx(5 * 2e-6 + 4 * 10e-6), 0)
    }


async def test_the_most_that_a_call_can_take_is_reserved_before_it_is_made(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "x " * 30)
    attempt = await runner.attempt()

    await attempt.chat("How are you?", max_tokens=20, n=3)
    await attempt.chat("How are you?", max_tokens=50_000)

    for begin, end in zip(ledger.model_begins, ledger.model_ends, strict=True):
        assert end.reply is not None
        assert begin.tokens_most >= end.reply.tokens_in + end.reply.tokens_out
        assert begin.dollars_most is not None
        assert begin.dollars_most >= (end.reply.cost_dollars or 0.0) > 0
    assert ledger.model_begins[0].tokens_most < 20 * 3 + 100
    assert model_server.requests[1].body["max_tokens"] == 2000


async def test_embeddings_and_the_older_completions_are_passed_on(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: f"and then: {request.text}")
    attempt = await runner.attempt()

    vectors = await attempt.openai.embeddings.create(model="embeddings", input=["one", "two"])
    text = await attempt.openai.completions.create(model="default", prompt="Once")

    assert [len(row.embedding) for row in vectors.data] == [32, 32]
    assert text.choices[0].text == "and then: Once"
    assert [begin.operation for begin in ledger.model_begins] == ["embeddings", "text_completion"]
    assert attempt.held.usage[EMBEDDING_MODEL].tokens_in == 2


async def test_models_lists_what_the_agent_may_call_and_the_operator_has(runner: Runner) -> None:
    attempt = await runner.attempt(models=("default", "nonesuch"))

    assert [model.id for model in (await attempt.openai.models.list()).data] == ["default"]


async def test_who_may_not_call_is_told_why(runner: Runner) -> None:
    attempt = await runner.attempt(models=("default", "embeddings", "planned"))

    unnamed = await attempt.chat(model="defualt")
    planned = await attempt.chat(model="planned")
    wrong = await attempt.http.post(
        "/v1/chat/completions", json={"model": "embeddings", "messages": QUESTION}
    )
    stranger = await attempt.http.get("/v1/models", headers={"penstock-attempt": "another"})

    assert (unnamed.status_code, _error(unnamed)["code"]) == (403, "model_not_allowed")
    assert "did you mean 'default'?" in _error(unnamed)["message"]
    assert (planned.status_code, _error(planned)["code"]) == (404, "model_not_found")
    assert "PENSTOCK_RUNNER_MODELS_FILE" in _error(planned)["message"]
    assert (wrong.status_code, _error(wrong)["code"]) == (400, "unsupported_operation")
    assert (stranger.status_code, _error(stranger)["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"messages": []}',
        b'{"model": "default", "n": 100}',
        b'{"model": "default", "stream": 1}',
        b'{"model": "default", "max_tokens": true}',
        b'{"model": "default", "messages": ' + b"[" * 100_000,
    ],
)
async def test_what_is_no_request_is_refused_before_anybody_is_asked(
    runner: Runner, ledger: Peer, body: bytes
) -> None:
    attempt = await runner.attempt()

    answer = await attempt.http.post("/v1/chat/completions", content=body)

    assert answer.status_code == 400
    assert ledger.model_begins == []


async def test_a_rate_limit_is_waited_for_as_the_provider_wants(
    runner: Runner, model_server: ModelServer
) -> None:
    model_server.on(lambda request: "at last")
    model_server.rate_limit(times=2, retry_after=0.01)
    attempt = await runner.attempt()

    assert (await attempt.chat()).json()["choices"][0]["message"]["content"] == "at last"
    assert len(model_server.requests) == 3


async def test_a_rate_limit_that_lasts_is_passed_on(runner: Runner, model_server: ModelServer) -> None:
    model_server.rate_limit(retry_after=300)
    attempt = await runner.attempt()

    with pytest.raises(openai.RateLimitError) as raised:
        await attempt.openai.chat.completions.create(model="default", messages=QUESTION)

    assert raised.value.response.headers["retry-after"] == "300"
    assert raised.value.code == "rate_limit_exceeded"
    assert len(model_server.requests) == 1


async def test_an_error_of_the_server_is_tried_again(runner: Runner, model_server: ModelServer) -> None:
    model_server.on(lambda request: "recovered")
    model_server.server_error(times=1, status=503)
    model_server.break_off(times=1)
    attempt = await runner.attempt()

    assert (await attempt.chat()).status_code == 200
    assert len(model_server.requests) == 3


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_refused_is_told_without_the_key(
    runner: Runner, model_server: ModelServer, ledger: Peer, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    model_server.refuse_key(status)
    attempt = await runner.attempt()

    answer = await attempt.chat()

    assert (answer.status_code, _error(answer)["code"]) == (502, "provider_key_refused")
    assert "the operator's key" in _error(answer)["message"]
    assert len(model_server.requests) == 1
    told = answer.text + str(ledger.model_begins) + str(ledger.model_ends) + "".join(capfd.readouterr())
    assert model_server.key not in told


async def test_a_provider_that_repeats_the_key_does_not_tell_it_to_the_agent(
    runner: Runner, model_server: ModelServer, ledger: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    model_server.refuse_key(400)
    attempt = await runner.attempt()

    answer = await attempt.chat()

    assert answer.status_code == 400
    assert "[redacted]" in _error(answer)["message"]
    assert model_server.key not in answer.text + str(ledger.model_ends) + "".join(capfd.readouterr())


async def test_a_wrong_request_is_passed_on_and_costs_nothing(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.context_length_exceeded()
    attempt = await runner.attempt()

    answer = await attempt.chat()

    assert (answer.status_code, _error(answer)["code"]) == (400, "context_length_exceeded")
    assert len(model_server.requests) == 1
    (end,) = ledger.model_ends
    assert end.error is not None
    assert (end.tokens_in, end.cost_dollars) == (0, 0.0)
    assert attempt.held.usage == {}


async def test_refusals_and_malformed_arguments_are_answers(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.refusal("I may not.")
    model_server.malformed_tool_arguments("search")
    attempt = await runner.attempt()

    refused = (await attempt.chat()).json()["choices"][0]["message"]
    called = (await attempt.chat()).json()["choices"][0]["message"]

    assert refused["refusal"] == "I may not."
    assert called["tool_calls"][0]["function"]["arguments"] == '{"path": "a.txt", '
    assert [end.error for end in ledger.model_ends] == [None, None]


async def test_a_provider_that_hangs_is_given_up_in_time(
    started: Start, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.hang(times=2)
    impatient = f"providers: {{tests: {{url: '{model_server.url}', key_file: model.key, timeout: 150ms, attempts: 2}}}}"
    runner = await started(f"{impatient}\nmodels: {{default: {{provider: tests, model: {CHAT_MODEL}}}}}")
    attempt = await runner.attempt()

    answer = await attempt.chat()

    assert (answer.status_code, _error(answer)["code"]) == (504, "timeout")
    assert len(model_server.requests) == 2
    (end,) = ledger.model_ends
    assert end.estimated
    assert end.tokens_in > 0
    assert end.cost_dollars is None


async def test_no_answer_is_waited_for_beyond_the_attempts_deadline(
    runner: Runner, model_server: ModelServer
) -> None:
    model_server.hang()
    attempt = await runner.attempt(timeout_s=0.3)

    async with asyncio.timeout(5):
        answer = await attempt.chat()

    assert answer.status_code == 504


async def test_a_fall_back_answers_where_the_first_cannot(
    started: Start, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "from the other")
    text = TWO_PROVIDERS.format(broken="http://127.0.0.1:9/v1", url=model_server.url)
    runner = await started(text)
    attempt = await runner.attempt()

    answer = await attempt.chat()

    assert answer.json()["choices"][0]["message"]["content"] == "from the other"
    (end,) = ledger.model_ends
    assert end.reply is not None
    assert (end.reply.provider, end.reply.cost_dollars) == ("works", pytest.approx((3 * 3 + 3 * 1) / 1e6))
    assert (ledger.model_begins[0].dollars_most or 0) >= 3e-6 * ledger.model_begins[0].tokens_most * 0.01


async def test_a_wrong_request_is_not_sent_to_the_fall_back(
    started: Start, model_server: ModelServer
) -> None:
    model_server.context_length_exceeded()
    text = TWO_PROVIDERS.format(broken=model_server.url, url=model_server.url)
    runner = await started(
        text.replace("away", "test-model-large").replace("attempts: 2", "key_file: model.key")
    )
    attempt = await runner.attempt()

    assert (await attempt.chat()).status_code == 400
    assert len(model_server.requests) == 1


async def test_tokens_that_nobody_tells_are_estimated_and_say_so(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "some words")
    model_server.tells_usage = False
    attempt = await runner.attempt()

    await attempt.chat()

    (end,) = ledger.model_ends
    assert end.reply is not None
    assert end.reply.estimated
    assert end.reply.tokens_in > 0
    assert end.reply.tokens_out > 0


async def test_a_model_without_a_price_has_an_unknown_cost(
    started: Start, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "free?")
    provider = f"providers: {{tests: {{url: '{model_server.url}', key_file: model.key, kind: vllm}}}}"
    runner = await started(f"{provider}\nmodels: {{default: {{provider: tests, model: {CHAT_MODEL}}}}}")
    attempt = await runner.attempt()

    await attempt.chat()

    assert ledger.model_begins[0].dollars_most is None
    assert ledger.model_ends[0].reply is not None
    assert ledger.model_ends[0].reply.cost_dollars is None
    assert attempt.held.usage[CHAT_MODEL].unpriced == 1


async def test_a_retried_attempt_gets_the_same_answers_without_a_call(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    answers = iter(["one", "two", "three"])
    model_server.on(lambda request: next(answers))
    first = await runner.attempt(1)
    before = [(await first.chat(temperature=1.0)).json() for _ in range(2)]

    second = await runner.attempt(2)
    after = [await second.chat(temperature=1.0, user="another") for _ in range(3)]

    assert [each.json() for each in after[:2]] == before
    assert [each.headers.get("penstock-replayed") for each in after] == ["true", "true", None]
    assert len(model_server.requests) == 3
    assert second.held.usage[CHAT_MODEL].calls == 1


async def test_a_call_that_had_no_answer_keeps_its_place(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "after all")
    model_server.context_length_exceeded()
    attempt = await runner.attempt()

    await attempt.chat()
    await attempt.chat()
    again = await (await runner.attempt(2)).chat()

    assert [begin.occurrence for begin in ledger.model_begins] == [0, 0, 0]
    assert again.headers["penstock-replayed"] == "true"


async def test_a_large_answer_is_kept_as_an_artifact(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "word" * 60_000)
    first = await (await runner.attempt(1)).chat()
    second = await (await runner.attempt(2)).chat()

    (end,) = ledger.model_ends
    assert end.reply is not None
    assert (end.reply.artifact or "").endswith("/model-reply.json")
    assert second.headers["penstock-replayed"] == "true"
    assert second.json() == first.json()


@pytest.mark.parametrize(
    ("verdict", "status", "code"),
    [
        (
            ModelCallVerdict(Verdict.REFUSED, "the run's budget of 1.00 dollars is spent"),
            402,
            "budget_exceeded",
        ),
        (ModelCallVerdict(Verdict.LOST), 409, "attempt_superseded"),
    ],
)
async def test_what_the_orchestrator_does_not_allow_is_not_called(
    runner: Runner, model_server: ModelServer, ledger: Peer, verdict: ModelCallVerdict, status: int, code: str
) -> None:
    def say(begin: ModelCallBegin) -> ModelCallVerdict:
        return verdict

    ledger.verdict = say
    attempt = await runner.attempt()

    answer = await attempt.chat()

    assert (answer.status_code, _error(answer)["code"]) == (status, code)
    assert verdict.sentence in _error(answer)["message"]
    assert model_server.requests == []
    assert ledger.model_ends == []


@pytest.mark.parametrize("question", [AgentQuestion("budget/run", "May it take more?"), None])
async def test_at_a_budget_that_waits_the_attempt_is_parked(
    runner: Runner, model_server: ModelServer, ledger: Peer, question: AgentQuestion | None
) -> None:
    ledger.verdict = lambda begin: ModelCallVerdict(Verdict.PARK, "the budget is spent", question=question)
    attempt = await runner.attempt()

    answer = await attempt.chat()

    assert (answer.status_code, _error(answer)["code"]) == (423, "parked")
    assert attempt.held.parking is not None
    assert attempt.held.parking.question == question
    assert model_server.requests == []


async def test_an_agent_that_goes_on_although_its_attempt_ends_calls_no_model(
    runner: Runner, model_server: ModelServer, ledger: Peer
) -> None:
    model_server.on(lambda request: "It is fine.")
    parked, stopped = await runner.attempt(), await runner.attempt(2)
    parked.held.park(None)
    stopped.held.cancelled.set()

    answers = [await parked.chat(), await parked.chat(stream=True), await stopped.chat()]

    assert [answer.status_code for answer in answers] == [423, 423, 409]
    assert ledger.model_begins == []
    assert model_server.requests == []


async def test_tools_are_passed_on(runner: Runner, model_server: ModelServer) -> None:
    model_server.on(lambda request: Call("search", {"words": "pump"}))
    attempt = await runner.attempt()
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}

    answer = await attempt.openai.chat.completions.create(
        model="default", messages=QUESTION, tools=[tool], tool_choice="required"
    )

    (call,) = answer.choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("search", '{"words": "pump"}')
    assert model_server.requests[0].body["tool_choice"] == "required"


async def test_large_calls_of_one_attempt_wait_for_each_other_and_small_ones_for_none(
    runner: Runner, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_runner.gateway.models.LARGE_BYTES", 1000)
    model_server.on(lambda request: "It is fine.")
    model_server.hang(times=4)
    attempt = await runner.attempt()

    large = [asyncio.create_task(attempt.chat("x" * 1000 + str(number))) for number in range(6)]
    while len(model_server.requests) < 4:
        await asyncio.sleep(0)
    small = await attempt.chat("Hello?")
    seen = [request.text[-1] for request in model_server.requests]
    model_server.resume()
    answers = await asyncio.gather(*large)

    assert (small.status_code, len(seen)) == (200, 5)
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("reuse", [Reuse.NEVER, Reuse.PROCESS])
async def test_the_key_is_good_for_nothing_after_the_attempt(
    runner: Runner, model_server: ModelServer, ledger: Peer, reuse: Reuse
) -> None:
    """Also at a socket that the worker's other attempts go on using."""
    attempt = await runner.attempt(reuse=reuse)
    runner.ended.set()
    assert attempt.held.task is not None
    await attempt.held.task

    answer = await attempt.chat()

    assert (answer.status_code, _error(answer)["code"]) == (401, "invalid_api_key")
    assert ledger.model_begins == []
