"""The routes of the OpenAI-compatible API: who asks, in which form, and errors as its clients know them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agent_runner.gateway.calls import span_above
from agent_runner.gateway.requests import JSON, Refused, attempt_of, body_of, json_answer
from agent_runner.held import Held, HeldAttempts
from agent_runner.models.answers import Answer, Streamed
from agent_runner.models.calls import ModelCalls
from agent_runner.models.configured import Operation
from agent_runner.models.problems import ModelProblem
from agent_runner.models.requested import asked_of
from penstock.contracts.limits import MIB

REQUEST_BYTES_MAX = 16 * MIB  # pictures come along as text
LARGE_BYTES = 1 * MIB  # of a request; an attempt makes few such calls at once (held.py)
EVENT_STREAM = "text/event-stream"
REPLAYED_HEADER = "penstock-replayed"

_OPERATIONS = {
    "/v1/chat/completions": Operation.CHAT,
    "/v1/completions": Operation.COMPLETION,
    "/v1/embeddings": Operation.EMBEDDINGS,
}


class ModelRoutes:
    """What an unmodified client of that API may call, with the attempt's key as its API key."""

    def __init__(self, *, attempts: HeldAttempts, calls: ModelCalls) -> None:
        self._attempts, self._calls = attempts, calls

    def routes(self) -> list[Route]:
        return [
            Route("/v1/models", self._answering(self._list), methods=["GET"]),
            *(
                Route(path, self._answering(self._calling(operation)), methods=["POST"])
                for path, operation in _OPERATIONS.items()
            ),
        ]

    def _answering(
        self, endpoint: Callable[[Request, Held], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request, attempt_of(request, self._attempts))
            except Refused as refused:
                code = "invalid_api_key" if refused.status == 401 else "invalid_request"
                problem = ModelProblem(refused.status, refused.detail, code=code)
            except ModelProblem as error:
                problem = error
            return Response(problem.body, problem.status, problem.headers, media_type=JSON)

        return answer

    async def _list(self, request: Request, held: Held) -> Response:
        rows = [
            {"id": model.name, "object": "model", "created": 0, "owned_by": model.provider.name}
            for model in self._calls.offered(held)
        ]
        return json_answer({"object": "list", "data": rows})

    def _calling(self, operation: Operation) -> Callable[[Request, Held], Awaitable[Response]]:
        async def call(request: Request, held: Held) -> Response:
            async with AsyncExitStack() as room:
                if operation is Operation.EMBEDDINGS or _is_large(request):
                    await room.enter_async_context(held.large_calls)
                asked = asked_of(operation, await body_of(request, bytes_max=REQUEST_BYTES_MAX))
                answer = await self._calls.call(held, asked, above=span_above(request, held))
                return _response(answer, room.pop_all() if isinstance(answer, Streamed) else room)

        return call


def _is_large(request: Request) -> bool:
    """Or may be: who sends in pieces does not say."""
    length = request.headers.get("content-length", "")
    return not length.isdecimal() or int(length) > LARGE_BYTES


def _response(answer: Answer, room: AsyncExitStack) -> Response:
    """A stream leaves its room when it is closed."""
    headers = {REPLAYED_HEADER: "true"} if answer.is_replayed else {}
    if isinstance(answer, Streamed):
        return _Events(answer.events, room, headers=headers)
    return Response(answer.raw, headers=headers, media_type=JSON)


class _Events(StreamingResponse):
    """Closes its events also when the agent hangs up: they have a call to settle."""

    body_iterator: AsyncIterator[bytes]

    def __init__(
        self, events: AsyncIterator[bytes], room: AsyncExitStack, *, headers: dict[str, str]
    ) -> None:
        super().__init__(events, headers=headers, media_type=EVENT_STREAM)
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            close = getattr(self.body_iterator, "aclose", None)
            if close is not None:
                await close()
            await self._room.aclose()
