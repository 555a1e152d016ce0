"""What models took, by attempt: as agents tell of those that they call by themselves, and as the runner measured it."""

from typing import Annotated

import msgspec

from agent_runner.gateway.requests import Refused
from agent_runner.held import Held
from agent_runner.models.took import Tokens
from penstock.contracts.limits import KIB
from penstock.contracts.usage import (
    MODEL_CHARS_MAX,
    MODELS_PER_ATTEMPT_MAX,
    Count,
    Dollars,
    ModelName,
    ModelUsage,
)
from penstock.contracts.value import replace

USAGE_BYTES_MAX = 4 * KIB
CALLS_MAX = 1_000_000  # in one report


class UsageTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /v1/usage. Without `cost_dollars` the cost is unknown, which is not 0."""

    model: ModelName
    tokens_in: Count = 0
    tokens_out: Count = 0
    cost_dollars: Dollars | None = None
    calls: Annotated[int, msgspec.Meta(ge=1, le=CALLS_MAX)] = 1


def note_usage(held: Held, body: bytes) -> None:
    """Add it to what the attempt has used; it goes out with the attempt's result."""
    try:
        told = msgspec.json.decode(body, type=UsageTold)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        expected = "{model, tokens_in, tokens_out, cost_dollars?, calls?}"
        raise Refused(422, f"expected {expected}: {error}") from error
    used = ModelUsage(
        told.model,
        told.calls,
        told.tokens_in,
        told.tokens_out,
        cost_dollars=told.cost_dollars or 0.0,
        unpriced=0 if told.cost_dollars is not None else told.calls,
    )
    before = held.usage.get(told.model)
    if before is None and len(held.usage) >= MODELS_PER_ATTEMPT_MAX:
        raise Refused(
            422, f"model: an attempt may name {MODELS_PER_ATTEMPT_MAX} models, and this is another one"
        )
    held.usage[told.model] = _checked(used if before is None else before.plus(used))


def note_model_usage(held: Held, model: str, tokens: Tokens, cost_dollars: float | None) -> None:
    """Of a call that the runner made. An agent that has named too many models of its own hides none of these."""
    used = ModelUsage(
        model[:MODEL_CHARS_MAX],
        1,
        tokens.tokens_in,
        tokens.tokens_out,
        cost_dollars=cost_dollars or 0.0,
        unpriced=0 if cost_dollars is not None else 1,
    )
    before = held.usage.get(used.model)
    if before is None and len(held.usage) >= MODELS_PER_ATTEMPT_MAX:
        last = next(reversed(held.usage))
        before = held.usage.pop(last)
    held.usage[used.model] = used if before is None else replace(before.plus(used), model=used.model)


def _checked(used: ModelUsage) -> ModelUsage:
    """A sum that the orchestrator would not take would cost the attempt its result."""
    try:
        return msgspec.convert(msgspec.to_builtins(used), ModelUsage)
    except msgspec.ValidationError as error:
        raise Refused(422, f"the sum of this attempt's usage is not believable: {error}") from error
