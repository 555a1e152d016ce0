"""One call of a model while it is made, and what is told of it: to the orchestrator, to traces, to metrics."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from agent_runner.held import Held
from agent_runner.models.configured import Model
from agent_runner.models.prices import cost_of
from agent_runner.models.requested import Asked
from agent_runner.models.took import NO_TOKENS, Tokens
from penstock.contracts.model_messages import ModelCallBegin
from penstock.telemetry import metrics
from penstock.telemetry.labels import Bounded
from penstock.telemetry.span import Attribute, SpanKind
from penstock.telemetry.tracing import Tracing

_bounded = Bounded()
_REQUEST_ATTRIBUTES = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "n": "choice.count",
    "seed": "seed",
    "encoding_format": "encoding_formats",
}


@dataclass(slots=True)
class Call:
    """`above` is the traceparent of what called: the agent's span, or one of the agent's own."""

    held: Held
    asked: Asked
    chain: tuple[Model, ...]
    occurrence: int
    above: str | None
    own: str | None  # the traceparent of the call's span
    id: UUID = field(default_factory=uuid4)
    start: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.monotonic)
    is_ended: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def deadline(self) -> float:
        """Of time.monotonic: no answer is wanted after the attempt."""
        return self.held.granted_at + self.held.order.timeout_s

    def begin_message(self) -> ModelCallBegin:
        order, bounds = self.held.order, [(model, *self.asked.tokens_most(model)) for model in self.chain]
        dollars = [cost_of(model, Tokens(into, out)) for model, into, out in bounds]
        known = [each for each in dollars if each is not None]
        return ModelCallBegin(
            run=order.run,
            node=order.node,
            attempt=order.attempt,
            token=self.held.token,
            call=self.id,
            operation=str(self.asked.operation),
            model=self.asked.model,
            fingerprint=self.asked.fingerprint,
            occurrence=self.occurrence,
            tokens_most=max(into + out for _, into, out in bounds),
            dollars_most=max(known) if known else None,
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended. `outcome` is a label of metrics; `error` is set unless there is an answer."""

    outcome: str
    model: Model  # that answered, or was asked last
    tokens: Tokens = NO_TOKENS
    cost_dollars: float | None = None
    answered_model: str = ""
    answer_id: str = ""
    finish_reasons: tuple[str, ...] = ()
    error: str = ""
    error_type: str = ""


def count(call: Call, ending: Ending) -> None:
    (model,) = _bounded(call.asked.model)
    metrics.LLM_CALLS.labels(model, ending.outcome).inc()
    if ending.outcome != "replayed":
        metrics.LLM_CALL_SECONDS.labels(model).observe(call.seconds)


def trace(tracing: Tracing, call: Call, ending: Ending) -> None:
    """A span by the GenAI conventions. It never says what was asked or answered."""
    tracing.emit(
        f"{call.asked.operation} {ending.model.model}",
        own=call.own,
        parent=call.above,
        start=call.start,
        end=datetime.now(UTC),
        kind=SpanKind.CLIENT,
        attributes=_attributes(call, ending),
        error=ending.error or None,
    )


def _attributes(call: Call, ending: Ending) -> dict[str, Attribute]:
    order, provider, address = call.held.order, ending.model.provider, urlsplit(ending.model.provider.url)
    about: dict[str, Attribute] = {
        "gen_ai.operation.name": str(call.asked.operation),
        "gen_ai.provider.name": provider.kind,
        "gen_ai.request.model": ending.model.model,
        "server.address": address.hostname or "",
        "server.port": address.port or (443 if address.scheme == "https" else 80),
        "penstock.run": str(order.run),
        "penstock.node": order.node,
        "penstock.attempt": order.attempt,
        "penstock.model": call.asked.model,
        "penstock.outcome": ending.outcome,
    }
    for name, attribute in _REQUEST_ATTRIBUTES.items():
        value = call.asked.body.get(name)
        if isinstance(value, str | int | float):
            about[f"gen_ai.request.{attribute}"] = value
    if ending.answered_model:
        about["gen_ai.response.model"] = ending.answered_model
    if ending.answer_id:
        about["gen_ai.response.id"] = ending.answer_id
    if ending.finish_reasons:
        about["gen_ai.response.finish_reasons"] = ending.finish_reasons
    if ending.error_type:
        about["error.type"] = ending.error_type
    return about | _usage_attributes(ending)


def _usage_attributes(ending: Ending) -> dict[str, Attribute]:
    """Nothing where nothing was used: a repeated answer would be counted twice."""
    tokens = ending.tokens
    if not tokens.tokens_in and not tokens.tokens_out:
        return {}
    about: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": tokens.tokens_in,
        "gen_ai.usage.output_tokens": tokens.tokens_out,
    }
    if tokens.is_estimated:
        about["penstock.usage_estimated"] = True
    if ending.cost_dollars is not None:
        about["penstock.cost_dollars"] = ending.cost_dollars
    return about
