"""What an attempt used, as its runner measured it and its agent told."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from penstock.contracts.value import Value
from penstock.contracts.workflow import Json

MODELS_PER_ATTEMPT_MAX = 20  # an agent that names more has made them up
MODEL_CHARS_MAX = 100

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Dollars = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_CHARS_MAX)]


class ModelUsage(Value, frozen=True, omit_defaults=True):
    """The calls of one model. `cost_dollars` is of those whose price is known, `unpriced` counts the others."""

    model: ModelName
    calls: Count = 0
    tokens_in: Count = 0
    tokens_out: Count = 0
    cost_dollars: Dollars = 0.0
    unpriced: Count = 0

    def plus(self, other: "ModelUsage") -> "ModelUsage":
        return ModelUsage(
            self.model,
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.cost_dollars + other.cost_dollars,
            self.unpriced + other.unpriced,
        )


class Usage(Value, frozen=True):
    """`tier` is how strong the sandbox was. None: not measured (a worker that serves many attempts at once)."""

    seconds: float = 0.0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    tier: str | None = None
    models: tuple[ModelUsage, ...] = ()

    def told(self) -> dict[str, Json]:
        """As the data of a fact: what is known."""
        known: dict[str, Json] = {"seconds": self.seconds}
        for name in ("cpu_s", "memory_bytes", "tier"):
            value = getattr(self, name)
            if value is not None:
                known[name] = value
        if self.models:
            known["usage"] = told_of_models(self.models)
        return known


def told_of_models(models: Sequence[ModelUsage]) -> Mapping[str, Json]:
    """`cost_dollars` is what is known of the cost; without it nothing is: an unknown cost is not 0. `unpriced`
    counts the calls of which it is not known.
    """
    told: dict[str, Json] = {
        "tokens_in": sum(model.tokens_in for model in models),
        "tokens_out": sum(model.tokens_out for model in models),
        "models": models,
    }
    unpriced = sum(model.unpriced for model in models)
    if unpriced:
        told["unpriced"] = unpriced
    if any(model.unpriced < model.calls for model in models):
        told["cost_dollars"] = sum(model.cost_dollars for model in models)
    return told
