"""Server-sent events of a model's answer: taken apart, put together to the complete answer, and written again."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from agent_runner.models.configured import Operation
from agent_runner.models.problems import ModelProblem

DONE = b"[DONE]"
EVENT_BYTES_MAX = 4 * 1024 * 1024  # one piece of an answer; a longer one is no stream
_FIELD = b"data:"


async def events_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each event, as soon as it is there. Comments and other fields are left out."""
    rest = bytearray()
    data: list[bytes] = []
    async for piece in pieces:
        rest += piece
        if len(rest) > EVENT_BYTES_MAX:
            raise ModelProblem(502, f"the provider sent more than {EVENT_BYTES_MAX} bytes in one line")
        *lines, last = rest.split(b"\n")
        rest = bytearray(last)
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(_FIELD):
                data.append(bytes(line[len(_FIELD) :].strip()))
            elif not line and data:
                yield b"\n".join(data)
                data = []
    if data or rest.startswith(_FIELD):  # a server that ends without the last empty line
        yield b"\n".join([*data, *([bytes(rest[len(_FIELD) :].strip())] if rest.startswith(_FIELD) else [])])


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


class Assembled:
    """The complete answer that the chunks of a stream make."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self.usage: Any = None
        self.error: Any = None
        self.bytes_out = 0  # of text

    def take(self, chunk: dict[str, Any]) -> None:
        if chunk.get("error"):
            self.error = chunk["error"]
            return
        for name, value in chunk.items():
            if name not in ("choices", "usage", "object", "error"):
                self._head[name] = value
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices") or ():
            self._take_choice(choice)

    @property
    def is_whole(self) -> bool:
        """Whether every choice has said why it ended."""
        choices = self._choices.values()
        return bool(choices) and all(choice.get("finish_reason") for choice in choices)

    @property
    def model(self) -> str:
        return str(self._head.get("model") or "")

    def document(self) -> dict[str, Any]:
        is_chat = self._operation is Operation.CHAT
        choices = [self._choices[index] for index in sorted(self._choices)]
        kind = "chat.completion" if is_chat else "text_completion"
        document = {**self._head, "object": kind, "choices": choices}
        return {**document, "usage": self.usage} if self.usage else document

    def _take_choice(self, choice: dict[str, Any]) -> None:
        index = int(choice.get("index") or 0)
        whole = self._choices.setdefault(index, {"index": index, "finish_reason": None})
        if choice.get("finish_reason"):
            whole["finish_reason"] = choice["finish_reason"]
        _add_logprobs(whole, choice.get("logprobs"))
        if self._operation is not Operation.CHAT:
            text = choice.get("text") or ""
            self.bytes_out += len(text.encode())
            whole["text"] = whole.get("text", "") + text
            return
        message = whole.setdefault("message", {"role": "assistant", "content": None})
        self._take_delta(message, choice.get("delta") or {})

    def _take_delta(self, message: dict[str, Any], delta: dict[str, Any]) -> None:
        """Text goes on where it was, whatever its name: content, refusal, a server's own reasoning."""
        for name, value in delta.items():
            if name == "tool_calls":
                for call in value or ():
                    self._take_call(message.setdefault("tool_calls", []), call)
            elif name == "role" or not isinstance(value, str):
                if value is not None:
                    message[name] = value
            elif value:
                self.bytes_out += len(value.encode())
                message[name] = (message.get(name) or "") + value

    def _take_call(self, calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
        index = int(piece.get("index") or 0)
        while len(calls) <= index:
            calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call, function = calls[index], piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
        self.bytes_out += len((function.get("arguments") or "").encode())


def as_events(document: dict[str, Any], operation: Operation, *, with_usage: bool) -> Iterator[bytes]:
    """A complete answer as a stream: a chunk for each choice, one that ends it, usage if it is wanted."""
    is_chat = operation is Operation.CHAT
    kind = "chat.completion.chunk" if is_chat else "text_completion"
    head = {name: value for name, value in document.items() if name not in ("choices", "usage")}
    head["object"] = kind
    for choice in document.get("choices") or ():
        index, reason = choice.get("index", 0), choice.get("finish_reason")
        said: dict[str, Any] = {"text": choice.get("text", "")}
        ended: dict[str, Any] = {"text": ""}
        if is_chat:
            said, ended = {"delta": _delta(choice["message"])}, {"delta": {}}
        yield _chunk(head, {"index": index, **said, "finish_reason": None})
        yield _chunk(head, {"index": index, **ended, "finish_reason": reason})
    if with_usage and document.get("usage"):
        yield event(msgspec.json.encode({**head, "choices": [], "usage": document["usage"]}))
    yield event(DONE)


def _chunk(head: dict[str, Any], choice: dict[str, Any]) -> bytes:
    return event(msgspec.json.encode({**head, "choices": [choice]}))


def _delta(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [{"index": index, **call} for index, call in enumerate(calls)]}


def _add_logprobs(whole: dict[str, Any], logprobs: Any) -> None:
    if not isinstance(logprobs, dict):
        return
    known = whole.setdefault("logprobs", {})
    for name, values in logprobs.items():
        if isinstance(values, list):
            known[name] = [*(known.get(name) or []), *values]
