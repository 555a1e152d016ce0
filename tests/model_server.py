"""A language model's server for tests: the OpenAI-compatible API over real HTTP, its answers scripted by the test.

    model_server.on(lambda request: "It is fine." if "review" in request.text else {"findings": []})
    model_server.rate_limit(times=2, retry_after=0.01)       # queued: the next requests meet these first
    model_server.hang()

It is as strict as real servers are: an unknown model, a wrong key, a tool's answer to no call, a prompt beyond the
context are refused as they refuse them. What no test has scripted is an error, never an invented answer.
"""

import asyncio
import json
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests import model_answers
from tests.model_answers import Answer, Call, answer_of, prompt_tokens

KEY = "sk-tests-only-4f1d8a27c9"
CHAT_MODEL, EMBEDDING_MODEL = "test-model-large", "test-embedding"
ALIASES = {"default": CHAT_MODEL, "embeddings": EMBEDDING_MODEL}  # for agents that call it without a runner
CONTEXT_TOKENS = 32_000
PRICE = {"input_per_million": 2.0, "output_per_million": 10.0}


class BrokenOff(Exception):
    """The connection ends in the middle of an answer."""


@dataclass(frozen=True)
class ModelRequest:
    """What a client sent. `text` is the last message's."""

    operation: str
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body.get("messages") or [])

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def text(self) -> str:
        content = self.messages[-1].get("content") if self.messages else self.body.get("prompt")
        return content if isinstance(content, str) else json.dumps(content)

    @property
    def everything(self) -> str:
        """All that was said, to look for a word in."""
        return json.dumps(self.messages, ensure_ascii=False)

    @property
    def tools(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools") or []]

    @property
    def schema(self) -> dict[str, Any] | None:
        wanted = (self.body.get("response_format") or {}).get("json_schema")
        return wanted["schema"] if wanted else None


@dataclass(frozen=True)
class Behaviour:
    """How one request is met instead of by the script; or an answer, with a stream that stops for a while."""

    status: int = 0
    code: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    breaks_off: bool = False
    pauses: bool = False
    answer: Answer | None = None


class ModelServer:
    """Runs in a thread. `requests` are those that got as far as the script or a queued behaviour."""

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        self.tells_usage = True
        self.key = KEY
        self._script: Callable[[ModelRequest], Any] | None = None
        self._queued: deque[Behaviour] = deque()
        self._resumed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def on(self, script: Callable[[ModelRequest], Any]) -> None:
        """Answer by `script`: text, data (as JSON), a `Call`, an `Answer`, or a list of them for `n` choices."""
        self._script = script

    def rate_limit(self, times: int = 1, retry_after: float | str | None = None) -> None:
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        limited = Behaviour(429, "rate_limit_exceeded", "Rate limit reached", headers)
        self._queued.extend([limited] * times)

    def server_error(self, times: int = 1, status: int = 500) -> None:
        self._queued.extend([Behaviour(status, "server_error", "The server had an error")] * times)

    def refuse_key(self, status: int = 401) -> None:
        """As hosted providers do, with a part of the key in the message."""
        message = f"Incorrect API key provided: {self.key}. You can find your API key at your account page."
        self._queued.append(Behaviour(status, "invalid_api_key", message))

    def hang(self, times: int = 1) -> None:
        """Say nothing until the client has had enough, or `resume`."""
        self._queued.extend([Behaviour(hangs=True)] * times)

    def pause(self) -> None:
        """Send the first chunks of a stream, and the rest after `resume`."""
        self._queued.append(Behaviour(pauses=True))

    def break_off(self, times: int = 1) -> None:
        """Hang up in the middle of the answer that the script gives."""
        self._queued.extend([Behaviour(breaks_off=True)] * times)

    def malformed_tool_arguments(self, name: str, arguments: str = '{"path": "a.txt", ') -> None:
        self._queued.append(Behaviour(answer=Answer(calls=(Call(name, arguments),))))

    def refusal(self, text: str = "I cannot help with that.") -> None:
        self._queued.append(Behaviour(answer=Answer(refusal=text)))

    def context_length_exceeded(self) -> None:
        self._queued.append(_too_long(CONTEXT_TOKENS + 1))

    def resume(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._resumed.set)

    def reset(self) -> None:
        """Forget all that a test has asked for and seen."""
        self.requests.clear()
        self._queued.clear()
        self._script, self.tells_usage, self.key = None, True, KEY
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._release)

    def write_models(self, folder: Path, *, provider: str = "", models: str = "") -> Path:
        """A models file of this server: `default` and `embeddings`, both with a price; more lines as given."""
        key_file, file = folder / "model.key", folder / "models.yaml"
        key_file.write_text(f"{self.key}\n")
        key_file.chmod(0o600)
        price = json.dumps(PRICE)
        file.write_text(
            f"providers:\n  tests: {{url: '{self.url}', key_file: '{key_file}', timeout: 20s{provider}}}\n"
            "models:\n"
            f"  default: {{provider: tests, model: {CHAT_MODEL}, max_output_tokens: 2000, price: {price}}}\n"
            f"  embeddings: {{provider: tests, model: {EMBEDDING_MODEL}, price: {price},"
            f" operations: [embeddings]}}\n{models}"
        )
        return file

    @contextmanager
    def running(self) -> Iterator["ModelServer"]:
        config = uvicorn.Config(
            self._app(), lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        ready = threading.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            ready.set()
            await server.serve(sockets=[self._socket])

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        ready.wait(5)
        try:
            yield self
        finally:
            self.resume()
            server.should_exit = True
            thread.join(5)

    def _app(self) -> Starlette:
        routes = {
            "chat/completions": "chat",
            "completions": "text_completion",
            "embeddings": "embeddings",
        }
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                *(
                    Route(f"/v1/{path}", self._endpoint(operation), methods=["POST"])
                    for path, operation in routes.items()
                ),
            ]
        )

    def _release(self) -> None:
        self._resumed.set()
        self._resumed = asyncio.Event()

    async def _models(self, request: Request) -> Response:
        if refused := self._unauthorised(request):
            return refused
        known = [CHAT_MODEL, EMBEDDING_MODEL]
        rows = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "tests"} for name in known
        ]
        return JSONResponse({"object": "list", "data": rows})

    def _endpoint(self, operation: str) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            if refused := self._unauthorised(request):
                return refused
            body = await request.json()
            if problem := _problem(operation, body):
                return _failed(problem)
            asked = ModelRequest(operation, body, dict(request.headers))
            self.requests.append(asked)
            behaviour = self._queued.popleft() if self._queued else Behaviour()
            if behaviour.status:
                return _failed(behaviour)
            if behaviour.hangs:
                await self._hang(request)
                return _failed(Behaviour(503, "server_error", "too late"))
            return self._answered(asked, behaviour)

        return answer

    def _unauthorised(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.key}":
            return None
        return _failed(Behaviour(401, "invalid_api_key", "Incorrect API key provided."))

    async def _hang(self, request: Request) -> None:
        gone = asyncio.create_task(_disconnected(request))
        resumed = asyncio.create_task(self._resumed.wait())
        await asyncio.wait({gone, resumed}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        resumed.cancel()

    def _answered(self, asked: ModelRequest, behaviour: Behaviour) -> Response:
        body = asked.body
        if asked.operation == "embeddings":
            return _whole(model_answers.embeddings(body), behaviour)
        answers = self._scripted(asked, behaviour)
        if answers is None:
            return _failed(Behaviour(400, "unscripted", "this test has scripted no answer"))
        is_chat = asked.operation == "chat"
        if not body.get("stream"):
            told = {"tells_usage": self.tells_usage} if is_chat else {}
            write: Callable[..., Any] = model_answers.chat_completion if is_chat else model_answers.completion
            return _whole(write(body, answers, **told), behaviour)
        chunks = (
            model_answers.chat_chunks(body, answers, tells_usage=self.tells_usage)
            if is_chat
            else model_answers.completion_chunks(body, answers)
        )
        return StreamingResponse(self._stream(list(chunks), behaviour), media_type="text/event-stream")

    def _scripted(self, asked: ModelRequest, behaviour: Behaviour) -> list[Answer] | None:
        if behaviour.answer is not None:
            return [behaviour.answer]
        if self._script is None:
            return None
        said = [self._script(asked) for _ in range(int(asked.body.get("n") or 1))]
        return [answer_of(each) for each in said]

    async def _stream(self, chunks: list[dict[str, Any]], behaviour: Behaviour) -> AsyncIterator[str]:
        for number, chunk in enumerate(chunks):
            if number == 2 and behaviour.breaks_off:
                raise BrokenOff
            if number == 2 and behaviour.pauses:
                await self._resumed.wait()
            yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
        yield "data: [DONE]\n\n"


@pytest.fixture(scope="session")
def model_server_running() -> Iterator[ModelServer]:
    with ModelServer().running() as server:
        yield server


@pytest.fixture
def model_server(model_server_running: ModelServer) -> Iterator[ModelServer]:
    """The session's server, without what former tests scripted."""
    model_server_running.reset()
    yield model_server_running
    model_server_running.reset()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _problem(operation: str, body: dict[str, Any]) -> Behaviour | None:
    """What real servers refuse."""
    model = ALIASES.get(str(body.get("model")), body.get("model"))
    known = EMBEDDING_MODEL if operation == "embeddings" else CHAT_MODEL
    if model != known:
        return Behaviour(404, "model_not_found", f"The model `{model}` does not exist")
    wanted = {"chat": "messages", "text_completion": "prompt", "embeddings": "input"}[operation]
    if not body.get(wanted):
        return Behaviour(400, "missing_required_parameter", f"Missing required parameter: '{wanted}'.")
    if orphan := _orphan(body.get("messages") or []):
        return Behaviour(400, "invalid_value", orphan)
    most = prompt_tokens(body) + int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)
    return _too_long(most) if most > CONTEXT_TOKENS else None


def _orphan(messages: list[dict[str, Any]]) -> str:
    """A tool's message that answers no call, or a call that nobody has answered."""
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            break
        open_calls |= {call["id"] for call in message.get("tool_calls") or []}
    if open_calls:
        return f"these tool_call_ids have no response: {', '.join(sorted(open_calls))}"
    return ""


def _too_long(tokens: int) -> Behaviour:
    message = (
        f"This model's maximum context length is {CONTEXT_TOKENS} tokens. You requested {tokens} tokens."
    )
    return Behaviour(400, "context_length_exceeded", message)


def _failed(behaviour: Behaviour) -> Response:
    kinds = {429: "requests", 500: "server_error"}
    kind = kinds.get(behaviour.status, "invalid_request_error")
    error = {"message": behaviour.message, "type": kind, "param": None, "code": behaviour.code}
    return JSONResponse({"error": error}, behaviour.status, behaviour.headers)


def _whole(document: dict[str, Any], behaviour: Behaviour) -> Response:
    text = json.dumps(document, ensure_ascii=False).encode()
    if not behaviour.breaks_off:
        return Response(text, media_type="application/json")

    async def half() -> AsyncIterator[bytes]:
        yield text[: len(text) // 2]
        raise BrokenOff

    return StreamingResponse(half(), media_type="application/json")
