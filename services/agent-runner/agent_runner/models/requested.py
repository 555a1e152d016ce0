"""What an agent asks of a model: read from the body of its request, and written for a provider."""

import hashlib
from typing import Any

import msgspec

from agent_runner.models.configured import Model, Operation
from agent_runner.models.problems import ModelProblem
from penstock.contracts.value import Value

CHOICES_MAX = 16  # of one call: each is paid for
_BYTES_PER_TOKEN_LEAST = 2  # of any text in any tokenizer that is in use, or nearly so
_NOT_ASKED = ("stream", "stream_options", "user")  # say how to answer, or for whom: not what
_LIMIT, _NEWER_LIMIT = "max_tokens", "max_completion_tokens"  # the same; every server knows the first
_LIMITS = (_LIMIT, _NEWER_LIMIT)
_OPENAI = "openai"  # whose chat models refuse the first

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_canonical = msgspec.json.Encoder(order="sorted")


class Asked(Value, frozen=True):
    """One call. `fingerprint` is the same for the same question, however it is to be answered."""

    operation: Operation
    model: str
    body: dict[str, Any]
    size: int  # bytes
    fingerprint: str

    @property
    def is_stream(self) -> bool:
        return self.operation is not Operation.EMBEDDINGS and self.body.get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with what it took."""
        options = self.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    def output_tokens_most(self, model: Model) -> int:
        """Of one choice: what the agent allows, and at most what the operator does."""
        given: list[int] = [self.body[name] for name in _LIMITS if isinstance(self.body.get(name), int)]
        return min([*given, model.max_output_tokens])

    def tokens_most(self, model: Model) -> tuple[int, int]:
        """In and out, at the very most."""
        tokens_in = self.size // _BYTES_PER_TOKEN_LEAST + 1
        if self.operation is Operation.EMBEDDINGS:
            return tokens_in, 0
        choices = max(int(self.body.get("n") or 1), int(self.body.get("best_of") or 1))
        return tokens_in, choices * self.output_tokens_most(model)

    def written_for(self, model: Model) -> bytes:
        """The body that the provider gets: its own name of the model, a limit, and usage also for streams."""
        body = {**self.body, "model": model.model}
        if self.is_stream:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        if self.operation is not Operation.EMBEDDINGS:
            for name in _LIMITS:
                body.pop(name, None)
            is_newer = self.operation is Operation.CHAT and model.provider.kind == _OPENAI
            body[_NEWER_LIMIT if is_newer else _LIMIT] = self.output_tokens_most(model)
        return msgspec.json.encode(body)


def asked_of(operation: Operation, raw: bytes) -> Asked:
    """Raises ModelProblem where nobody could make a call of it."""
    try:
        body = fields_of(raw, left="input" if operation is Operation.EMBEDDINGS else "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelProblem(400, f"the body is no JSON object: {error}") from error
    if not isinstance(body.get("model"), str):
        raise ModelProblem(400, "model: expected the name of a model", code="missing_required_parameter")
    _check_numbers(body)
    question = {name: value for name, value in body.items() if name not in _NOT_ASKED}
    digest = hashlib.sha256(str(operation).encode() + b"\n" + _canonical.encode(question)).hexdigest()
    return Asked(operation, body["model"], body, len(raw), digest)


def fields_of(raw: bytes, *, left: str) -> dict[str, Any]:
    """A JSON object, its field `left` as it was written: nobody here reads 15 MB of vectors, and to read them would
    keep everybody else waiting for half a second. Raises as msgspec does.
    """
    fields: dict[str, Any] = _object.decode(raw)
    return {
        name: msgspec.Raw(bytes(value)) if name == left else msgspec.json.decode(value)
        for name, value in fields.items()
    }


def _check_numbers(body: dict[str, Any]) -> None:
    """Those that a budget is reserved by."""
    for name in ("n", "best_of"):
        _check_number(body, name, most=CHOICES_MAX)
    for name in _LIMITS:
        _check_number(body, name, most=None)
    if not isinstance(body.get("stream") or False, bool):
        raise ModelProblem(400, "stream: expected true or false", code="invalid_value")
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise ModelProblem(400, "stream_options: expected an object")


def _check_number(body: dict[str, Any], name: str, *, most: int | None) -> None:
    value = body.get(name)
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or (most and value > most):
        expected = f"a whole number from 1 to {most}" if most else "a whole number above 0"
        raise ModelProblem(400, f"{name}: expected {expected}", code="invalid_value")
