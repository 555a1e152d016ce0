"""What a model answers, in the OpenAI-compatible API's words: whole, or in the pieces of a stream."""

import base64
import hashlib
import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

DIMENSIONS = 32
_TOKEN = re.compile(r"\w+|[^\w\s]")
_serial = count(1)


@dataclass(frozen=True)
class Call:
    """A tool that the model wants called; `arguments` may be any text, for models do err."""

    name: str
    arguments: Any = None
    id: str = field(default_factory=lambda: f"call_{next(_serial):024d}")

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments or {})


@dataclass(frozen=True)
class Answer:
    """One choice. A refusal has no text."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    refusal: str = ""


def answer_of(said: Any) -> Answer:
    """What a script gave: an Answer, calls of tools, text, or data to be written as JSON."""
    if isinstance(said, Answer):
        return said
    if isinstance(said, Call):
        return Answer(calls=(said,))
    return Answer(said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))


def tokens_of(text: str) -> list[str]:
    """Words and signs: near what tokenizers count, and the same each time."""
    return _TOKEN.findall(text)


def prompt_tokens(body: dict[str, Any]) -> int:
    """Of messages with their roles and parts, prompts, inputs to embed, and declared tools."""
    seen = {
        name: body[name]
        for name in ("messages", "prompt", "input", "tools", "response_format")
        if name in body
    }
    return sum(len(tokens_of(text)) for text in _texts(seen))


def usage(tokens_in: int, tokens_out: int) -> dict[str, int]:
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }


def chat_completion(body: dict[str, Any], answers: list[Answer], *, tells_usage: bool) -> dict[str, Any]:
    """The whole of it; each answer is cut at `max_tokens`."""
    choices = [_choice(index, *_cut(answer, body)) for index, answer in enumerate(answers)]
    tokens_out = sum(_tokens_out(_cut(answer, body)[0]) for answer in answers)
    document = {**_head(body, "chat.completion"), "choices": choices}
    return {**document, "usage": usage(prompt_tokens(body), tokens_out)} if tells_usage else document


def chat_chunks(
    body: dict[str, Any], answers: list[Answer], *, tells_usage: bool
) -> Iterator[dict[str, Any]]:
    """The same in pieces: the role, some characters at a time, the reason why it ended; usage only if asked for."""
    head = _head(body, "chat.completion.chunk")
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    none_yet = {"usage": None} if asked and tells_usage else {}
    for index, answer in enumerate(answers):
        answer, reason = _cut(answer, body)
        for delta in _deltas(answer):
            yield {**head, "choices": [{"index": index, "delta": delta, "finish_reason": None}], **none_yet}
        yield {**head, "choices": [{"index": index, "delta": {}, "finish_reason": reason}], **none_yet}
    if asked and tells_usage:
        tokens_out = sum(_tokens_out(_cut(answer, body)[0]) for answer in answers)
        yield {**head, "choices": [], "usage": usage(prompt_tokens(body), tokens_out)}


def completion(body: dict[str, Any], answers: list[Answer]) -> dict[str, Any]:
    """Of the older operation: text goes on where the prompt ends."""
    cut = [_cut(answer, body) for answer in answers]
    choices = [
        {"index": index, "text": answer.text, "finish_reason": reason, "logprobs": None}
        for index, (answer, reason) in enumerate(cut)
    ]
    tokens_out = sum(_tokens_out(answer) for answer, _ in cut)
    head = _head(body, "text_completion")
    return {**head, "choices": choices, "usage": usage(prompt_tokens(body), tokens_out)}


def completion_chunks(body: dict[str, Any], answers: list[Answer]) -> Iterator[dict[str, Any]]:
    whole = completion(body, answers)
    for choice in whole["choices"]:
        for piece in _pieces(choice["text"]):
            yield {**whole, "choices": [{**choice, "text": piece, "finish_reason": None}], "usage": None}
        yield {**whole, "choices": [{**choice, "text": ""}], "usage": None}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**whole, "choices": []}


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """Texts that share words have vectors that are near each other."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [_vector(text, int(body.get("dimensions") or DIMENSIONS)) for text in texts]
    packed = body.get("encoding_format") == "base64"
    rows = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens_in = prompt_tokens(body)
    used = {"prompt_tokens": tokens_in, "total_tokens": tokens_in}
    return {"object": "list", "model": body["model"], "data": rows, "usage": used}


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    name = f"cmpl-{next(_serial):08d}"
    return {"id": f"chat{name}", "object": kind, "created": 1_700_000_000, "model": body["model"]}


def _choice(index: int, answer: Answer, reason: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text or None,
        "refusal": answer.refusal or None,
    }
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for call in answer.calls
        ]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "", "refusal": None}
    for piece in _pieces(answer.text):
        yield {"content": piece}
    for piece in _pieces(answer.refusal):
        yield {"refusal": piece}
    for index, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for piece in _pieces(call.text):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str, *, characters: int = 8) -> list[str]:
    return [text[start : start + characters] for start in range(0, len(text), characters)]


def _cut(answer: Answer, body: dict[str, Any]) -> tuple[Answer, str]:
    """What fits into the tokens that were asked for, and why it ended."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit and len(tokens_of(answer.text)) > limit:
        end = [found.end() for found in _TOKEN.finditer(answer.text)][limit - 1]
        return Answer(answer.text[:end]), "length"
    return answer, "tool_calls" if answer.calls else "stop"


def _tokens_out(answer: Answer) -> int:
    return sum(
        len(tokens_of(text))
        for text in (answer.text, answer.refusal, *(f"{c.name} {c.text}" for c in answer.calls))
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _vector(text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for token in tokens_of(text.lower()):
        digest = hashlib.sha256(token.encode()).digest()
        vector[digest[0] % dimensions] += 1.0 if digest[1] % 2 else -1.0
    length = math.sqrt(sum(each * each for each in vector)) or 1.0
    return [each / length for each in vector]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
