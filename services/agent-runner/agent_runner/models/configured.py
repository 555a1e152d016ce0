"""The models that the operator offers, as values. Agents name them; providers have names of their own for them."""

from collections.abc import Mapping
from enum import StrEnum

from penstock.contracts.value import Value

MAX_OUTPUT_TOKENS_DEFAULT = 4_096  # what a call may write when neither the agent nor the operator says


class Operation(StrEnum):
    """As the GenAI conventions name them."""

    CHAT = "chat"
    COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"


class Key:
    """A provider's key. It does not show itself: not in a log, an error or a span."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Key(…)"

    def reveal(self) -> str:
        return self._value


class Price(Value, frozen=True):
    """Dollars for a million tokens."""

    input_per_million: float
    output_per_million: float

    def of(self, *, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.input_per_million + tokens_out * self.output_per_million) / 1e6


class Provider(Value, frozen=True):
    """A server that speaks the OpenAI-compatible API. `url` ends where `/chat/completions` begins.

    `kind` is what it is: `openai`, `vllm`, `ollama` …; known ones have known prices.
    """

    name: str
    url: str
    key: Key | None
    kind: str
    timeout_s: float
    attempts: int  # at one call, before the next fall-back


class Model(Value, frozen=True):
    """`name` is the agents', `model` the provider's."""

    name: str
    provider: Provider
    model: str
    operations: tuple[Operation, ...]
    max_output_tokens: int
    price: Price | None
    fallbacks: tuple[str, ...]


class Models:
    """All that are configured, by name."""

    def __init__(self, models: Mapping[str, Model] | None = None) -> None:
        self._models = dict(models or {})

    def __bool__(self) -> bool:
        return bool(self._models)

    def names(self) -> tuple[str, ...]:
        return tuple(self._models)

    def get(self, name: str) -> Model | None:
        return self._models.get(name)

    def chain(self, model: Model) -> tuple[Model, ...]:
        """The model, then its fall-backs; theirs do not count."""
        return (model, *(self._models[name] for name in model.fallbacks))

    def providers(self) -> tuple[Provider, ...]:
        return tuple({model.provider.name: model.provider for model in self._models.values()}.values())


NO_MODELS = Models()
