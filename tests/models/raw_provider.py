"""A provider that answers with the very bytes that a test gives it: what no framework would send."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

MESSAGE = {"role": "assistant", "content": "Fine."}
ANSWER = {
    "id": "c-1",
    "model": "raw",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2},
}

Pieces = Callable[[], AsyncIterator[bytes]]


@dataclass
class RawProvider:
    """`answers` are used up in turn, the last one again and again; each request's head is kept."""

    port: int = 0
    answers: list[bytes | Pieces] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def models(self, **model: Any) -> str:
        """A models file with this provider behind `default`, which is tried once."""
        price = {"input_per_million": 1, "output_per_million": 1}
        provider = {"url": self.url, "key_file": "model.key", "attempts": 1}
        default = {"provider": "raw", "model": "raw", "price": price, **model}
        return json.dumps({"providers": {"raw": provider}, "models": {"default": default}})

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line[15:]) for line in head.lower().splitlines() if line[:15] == "content-length:"
            )
            await reader.readexactly(length)
            self.heads.append(head)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            async for piece in _whole(answer) if isinstance(answer, bytes) else answer():
                writer.write(piece)
                await writer.drain()
        writer.close()


def http(body: bytes | Any, *headers: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """An answer that ends with its connection; what is no bytes is written as JSON."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", "connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def events(*chunks: Any, end: str = "") -> bytes:
    lines = [chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return http("".join([*lines, end]).encode(), kind="text/event-stream")


def delta(content: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content, **more}, "finish_reason": reason}]}


@asynccontextmanager
async def raw_provider() -> AsyncIterator[RawProvider]:
    provider = RawProvider()
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    async with server:
        yield provider


async def _whole(answer: bytes) -> AsyncIterator[bytes]:
    yield answer
