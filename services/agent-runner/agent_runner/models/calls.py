"""Calls of models, one after another from asking to settling.

call → begin (the orchestrator's verdict) → ask the providers → settle (what it took, and the answer to keep) → answer
"""

from collections.abc import AsyncIterator
from typing import Any, assert_never

import httpx
import msgspec
import structlog

from agent_runner.gateway.usage import note_model_usage
from agent_runner.held import Held
from agent_runner.models.answers import Answer, Streamed, Whole
from agent_runner.models.configured import Model, Models
from agent_runner.models.endings import parked, why_over
from agent_runner.models.kept import KeptReplies
from agent_runner.models.ledger import Ledger
from agent_runner.models.one_call import Call, Ending, count, trace
from agent_runner.models.prices import cost_of
from agent_runner.models.problems import ModelProblem
from agent_runner.models.providers import Failed, Opened, Providers, shown
from agent_runner.models.requested import Asked
from agent_runner.models.shapes import chunk_of
from agent_runner.models.streams import DONE, EVENT_BYTES_MAX, Assembled, as_events, event
from agent_runner.models.took import NO_TOKENS, Tokens, tokens_estimated, tokens_told
from penstock.contracts.model_messages import ModelCallEnd, ModelCallVerdict, ModelReply, Verdict
from penstock.contracts.names import did_you_mean
from penstock.contracts.usage import MODEL_CHARS_MAX
from penstock.telemetry.log_fields import about_attempt
from penstock.telemetry.tracing import Tracing

SETTING = "PENSTOCK_RUNNER_MODELS_FILE"
_NONE_CONFIGURED = (
    f"no model is configured: name a file with providers and models in {SETTING} (docs/guides/models.md)"
)

log = structlog.get_logger(__name__)


class ModelCalls:
    """Makes calls for attempts. Every call that may be made is settled, however it ends."""

    def __init__(
        self, *, models: Models, providers: Providers, ledger: Ledger, replies: KeptReplies, tracing: Tracing
    ) -> None:
        self._models, self._providers, self._ledger = models, providers, ledger
        self._replies, self._tracing = replies, tracing

    def offered(self, held: Held) -> tuple[Model, ...]:
        """What the attempt's agent may call, as far as the operator has configured it."""
        named = (self._models.get(name) for name in held.agent.manifest.models)
        return tuple(model for model in named if model is not None)

    async def call(self, held: Held, asked: Asked, *, above: str | None) -> Answer:
        """Raises ModelProblem."""
        if (problem := why_over(held)) is not None:
            raise problem
        chain = self._models.chain(self._model(held, asked))
        occurrence = held.model_calls.take(asked.fingerprint)
        call = Call(held, asked, chain, occurrence, above, self._tracing.begin(above))
        try:
            verdict = await self._ledger.begin(call.begin_message())
            return await self._decided(call, verdict)
        except BaseException:
            self._unanswered(call)
            raise

    def _model(self, held: Held, asked: Asked) -> Model:
        manifest, name = held.agent.manifest, asked.model
        if name not in manifest.models:
            known = f"agent.yaml of {manifest.name} names no model '{name}'"
            hint = did_you_mean(name, manifest.models) or "; add it to `models` there"
            raise ModelProblem(403, known + hint, code="model_not_allowed")
        model = self._models.get(name)
        if model is None:
            hint = did_you_mean(name, self._models.names())
            one = f"the operator has configured no model '{name}'{hint}; add it to the file in {SETTING}"
            raise ModelProblem(404, one if self._models else _NONE_CONFIGURED, code="model_not_found")
        if asked.operation not in model.operations:
            offered = ", ".join(model.operations)
            sentence = f"model '{name}' does not offer {asked.operation}; it offers {offered}"
            raise ModelProblem(400, sentence, code="unsupported_operation")
        return model

    async def _decided(self, call: Call, verdict: ModelCallVerdict) -> Answer:
        match verdict.verdict:
            case Verdict.GO:
                return await self._made(call)
            case Verdict.REPLAY:
                return await self._replayed(call, verdict.reply)
            case Verdict.REFUSED:
                raise self._refusal(
                    call, "refused", ModelProblem(402, verdict.sentence, code="budget_exceeded")
                )
            case Verdict.PARK:
                raise self._refusal(call, "parked", parked(call.held, verdict.question, verdict.sentence))
            case Verdict.LOST:
                sentence = "this attempt has been superseded by another one"
                raise self._refusal(call, "lost", ModelProblem(409, sentence, code="attempt_superseded"))
            case _:
                assert_never(verdict.verdict)

    async def _made(self, call: Call) -> Answer:
        try:
            opened = await self._providers.ask(call.chain, call.asked, deadline=call.deadline)
        except Failed as failed:
            tokens = tokens_estimated(bytes_in=call.asked.size, bytes_out=0) if failed.took else NO_TOKENS
            await self._settle_failed(call, call.chain[-1], "failed", failed.problem, tokens)
            raise failed.problem from failed
        except BaseException:
            self._settle_left(call, call.chain[0], tokens_estimated(bytes_in=call.asked.size, bytes_out=0))
            raise
        if opened.document is None:
            return Streamed(self._passed_on(call, opened))
        await self._settle(call, opened.model, opened.document, opened.raw)
        if call.asked.is_stream:
            return _streamed(call, opened.document)
        return Whole(opened.raw)

    async def _passed_on(self, call: Call, opened: Opened) -> AsyncIterator[bytes]:
        """The events of a stream as they come. It ends with [DONE] if it is whole and kept, else with an error."""
        assert opened.events is not None
        whole, is_done, problem = Assembled(call.asked.operation), False, None
        try:
            try:
                async for data in opened.events:
                    if is_done := data == DONE:
                        break
                    if _taken(whole, data, wants_usage=call.asked.wants_usage):
                        yield event(data)
            except (httpx.RequestError, ModelProblem) as error:
                problem = _broken_off(opened.model, error)
            if problem is None and not whole.error and not is_done and not whole.is_whole:
                problem = _broken_off(opened.model, None)
            if problem is None and not whole.error:
                document = whole.document()
                await self._settle(
                    call, opened.model, document, msgspec.json.encode(document), whole.bytes_out
                )
                yield event(DONE)
                return
            yield await self._ended_badly(call, opened.model, whole, problem)
        finally:
            if not call.is_ended:
                self._settle_left(call, opened.model, _tokens_so_far(call, whole))
                self._unanswered(call)
            await opened.response.aclose()

    async def _ended_badly(
        self, call: Call, model: Model, whole: Assembled, problem: ModelProblem | None
    ) -> bytes:
        """The last event: why there is no more."""
        told = problem or ModelProblem(
            502, f"provider '{model.provider.name}' ended the stream with an error"
        )
        await self._settle_failed(call, model, "broken_off", told, _tokens_so_far(call, whole))
        self._unanswered(call)
        if problem is not None:
            return event(problem.body)
        error = msgspec.json.encode({"error": whole.error})
        return event(shown(model.provider, error, chars_max=EVENT_BYTES_MAX).encode())

    async def _replayed(self, call: Call, reply: ModelReply | None) -> Answer:
        raw = await self._replies.body_of(reply, project=call.held.order.project)
        self._tell(call, Ending("replayed", call.chain[0], answered_model=reply.model if reply else ""))
        if not call.asked.is_stream:
            return Whole(raw, is_replayed=True)
        return _streamed(call, msgspec.json.decode(raw), is_replayed=True)

    def _refusal(self, call: Call, outcome: str, problem: ModelProblem) -> ModelProblem:
        """Nothing was called, so nothing is to be settled."""
        error = "" if outcome == "parked" else problem.message
        self._tell(
            call, Ending(outcome, call.chain[0], error=error, error_type=problem.code if error else "")
        )
        return problem

    async def _settle(
        self, call: Call, model: Model, document: dict[str, Any], raw: bytes, bytes_out: int | None = None
    ) -> None:
        """There is an answer: keep it, and tell what it took."""
        call.is_ended = True
        estimate = tokens_estimated(
            bytes_in=call.asked.size, bytes_out=len(raw) if bytes_out is None else bytes_out
        )
        tokens = tokens_told(document.get("usage")) or estimate
        cost = cost_of(model, tokens)
        note_model_usage(call.held, model.model, tokens, cost)
        answered = (str(document.get("model") or "") or model.model)[:MODEL_CHARS_MAX]
        reasons = tuple(str(choice.get("finish_reason")) for choice in document.get("choices") or ())
        id_ = str(document.get("id") or "")
        self._tell(call, Ending("answered", model, tokens, cost, answered, id_, reasons))
        reply = ModelReply(
            provider=model.provider.name,
            model=answered,
            tokens_in=tokens.tokens_in,
            tokens_out=tokens.tokens_out,
            cost_dollars=cost,
            estimated=tokens.is_estimated,
        )
        kept = await self._replies.kept(reply, raw, order=call.held.order)
        if kept is not None:
            await self._ledger.end(ModelCallEnd(call.id, call.seconds, reply=kept))
            return
        await self._ledger.end(_end_without_reply(call, "the answer could not be kept", tokens, cost))

    async def _settle_failed(
        self, call: Call, model: Model, outcome: str, problem: ModelProblem, tokens: Tokens
    ) -> None:
        await self._ledger.end(self._without_reply(call, model, outcome, problem, tokens))

    def _settle_left(self, call: Call, model: Model, tokens: Tokens) -> None:
        """The agent has hung up, or its attempt has ended."""
        problem = ModelProblem(499, "the agent did not wait for the answer", code="abandoned")
        self._ledger.end_later(self._without_reply(call, model, "abandoned", problem, tokens))

    def _without_reply(
        self, call: Call, model: Model, outcome: str, problem: ModelProblem, tokens: Tokens
    ) -> ModelCallEnd:
        call.is_ended = True
        cost = cost_of(model, tokens)
        if tokens.tokens_in or tokens.tokens_out:
            note_model_usage(call.held, model.model, tokens, cost)
        ending = Ending(outcome, model, tokens, cost, error=problem.message, error_type=problem.code)
        self._tell(call, ending)
        return _end_without_reply(call, problem.message, tokens, cost)

    def _unanswered(self, call: Call) -> None:
        call.held.model_calls.give_back(call.asked.fingerprint, call.occurrence)

    def _tell(self, call: Call, ending: Ending) -> None:
        count(call, ending)
        trace(self._tracing, call, ending)
        if ending.error:
            log.warning(
                "model.call_ended_badly",
                **about_attempt(call.held.order),
                model=call.asked.model,
                outcome=ending.outcome,
                reason=ending.error,
            )


def _end_without_reply(call: Call, error: str, tokens: Tokens, cost: float | None) -> ModelCallEnd:
    return ModelCallEnd(
        call.id,
        call.seconds,
        error=error,
        tokens_in=tokens.tokens_in,
        tokens_out=tokens.tokens_out,
        cost_dollars=cost,
        estimated=tokens.is_estimated,
    )


def _taken(whole: Assembled, data: bytes, *, wants_usage: bool) -> bool:
    """Whether the agent is to see this chunk: not the usage that only we asked for, and no error, which comes last."""
    chunk = chunk_of(data)
    whole.take(chunk)
    if whole.error:
        return False
    return wants_usage or bool(chunk.get("choices")) or not chunk.get("usage")


def _tokens_so_far(call: Call, whole: Assembled) -> Tokens:
    estimate = tokens_estimated(bytes_in=call.asked.size, bytes_out=whole.bytes_out)
    return tokens_told(whole.usage) or estimate


def _broken_off(model: Model, error: Exception | None) -> ModelProblem:
    reason = f": {shown(model.provider, str(error) or type(error).__name__)}" if error is not None else ""
    sentence = f"the stream of provider '{model.provider.name}' broke off{reason}"
    return ModelProblem(502, sentence, code="provider_broke_off")


def _streamed(call: Call, document: dict[str, Any], *, is_replayed: bool = False) -> Streamed:
    """A whole answer for an agent that wants it in pieces."""
    events = as_events(document, call.asked.operation, with_usage=call.asked.wants_usage)
    return Streamed(_each(list(events)), is_replayed)


async def _each(events: list[bytes]) -> AsyncIterator[bytes]:
    for each in events:
        yield each
