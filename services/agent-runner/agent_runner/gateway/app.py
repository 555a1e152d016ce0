"""The gateway's routes, those of models apart: they have a form of their own for errors."""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import IO

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from agent_runner.artifacts import PIECE_BYTES, ArtifactStore
from agent_runner.gateway.calls import call_span
from agent_runner.gateway.models import ModelRoutes
from agent_runner.gateway.questions import answer_or_park
from agent_runner.gateway.reports import Checkpoints, ProgressReports
from agent_runner.gateway.requests import JSON, Refused, attempt_of, body_of, json_answer, pieces_of, problem
from agent_runner.gateway.routes import Endpoint
from agent_runner.gateway.stores import StoreCalls, StoreRoutes
from agent_runner.gateway.usage import USAGE_BYTES_MAX, note_usage
from agent_runner.granted_secrets import GrantedSecrets
from agent_runner.held import Held, HeldAttempts
from agent_runner.models.calls import ModelCalls
from penstock.contracts.artifact import ArtifactReference, parse
from penstock.contracts.errors import InvalidInput, LimitExceeded, NotFound, Unavailable
from penstock.contracts.limits import CHECKPOINT_BYTES_MAX, KIB, QUESTION_BYTES_MAX
from penstock.contracts.names import did_you_mean
from penstock.telemetry.traceparent import is_sampled
from penstock.telemetry.tracing import OFF, Tracing

PROGRESS_BYTES_MAX = 8 * KIB
PROGRESS_MESSAGE_CHARS_MAX = 500

log = structlog.get_logger(__name__)

_UNTRACED = frozenset({"/", "/progress"})  # they come often, and say nothing about where time went


class Told(msgspec.Struct, frozen=True):
    """The body of POST /progress."""

    done: float
    total: float | None = None
    message: str = ""


class Gateway:
    """Answers the agents of running attempts."""

    def __init__(
        self,
        *,
        attempts: HeldAttempts,
        checkpoints: Checkpoints,
        progress: ProgressReports,
        secrets: GrantedSecrets,
        artifacts: ArtifactStore,
        models: ModelCalls,
        stores: StoreCalls,
        tracing: Tracing = OFF,
    ) -> None:
        self._attempts, self._checkpoints, self._progress = attempts, checkpoints, progress
        self._secrets, self._artifacts = secrets, artifacts
        self._models = ModelRoutes(attempts=attempts, calls=models)
        self._stores = StoreRoutes(stores)
        self._tracing = tracing

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                self._route("GET", "/", self._about),
                self._route("GET", "/checkpoint", self._load_checkpoint),
                self._route("PUT", "/checkpoint", self._save_checkpoint),
                self._route("POST", "/progress", self._take_progress),
                self._route("POST", "/v1/usage", self._take_usage),
                self._route("POST", "/v1/questions", self._ask_people),
                self._route("GET", "/secrets/{name}", self._tell_secret),
                self._route("POST", "/artifacts", self._store_artifact),
                self._route("GET", "/artifacts/{sha256}", self._fetch_artifact),
                *self._models.routes(),
                *self._stores.routes(self._route),
            ],
            exception_handlers={HTTPException: _http_problem, Refused: _refusal, Exception: _broken},
        )

    def _route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        async def answer(request: Request) -> Response:
            held = attempt_of(request, self._attempts)
            is_traced = self._tracing.is_on and is_sampled(held.traceparent)
            if path in _UNTRACED or not is_traced:
                return await endpoint(request, held)
            with call_span(self._tracing, request, held, name=f"{method} {path}"):
                return await endpoint(request, held)

        return Route(path, answer, methods=[method])

    async def _about(self, request: Request, held: Held) -> Response:
        order = held.order
        return json_answer(
            {
                "run": order.run,
                "node": order.node,
                "attempt": order.attempt,
                "project": order.project,
                "workflow": order.workflow,
                "agent": order.agent,
            }
        )

    async def _load_checkpoint(self, request: Request, held: Held) -> Response:
        value = await self._checkpoints.load(held)
        if value is None:
            raise Refused(404, "no attempt of this node has saved a checkpoint")
        return Response(value, media_type=JSON)

    async def _save_checkpoint(self, request: Request, held: Held) -> Response:
        body = await body_of(request, bytes_max=CHECKPOINT_BYTES_MAX)
        try:
            msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(422, f"expected JSON: {error}") from error
        await self._checkpoints.save(held, body)
        return Response(status_code=204)

    async def _take_progress(self, request: Request, held: Held) -> Response:
        body = await body_of(request, bytes_max=PROGRESS_BYTES_MAX)
        try:
            told = msgspec.json.decode(body, type=Told)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(422, f"expected {{done, total?, message?}}: {error}") from error
        if not all(map(math.isfinite, (told.done, told.total or 0.0))):
            raise Refused(422, "done, total: expected finite numbers")
        message = told.message[:PROGRESS_MESSAGE_CHARS_MAX]
        self._progress.tell(held, done=told.done, total=told.total, message=message)
        return Response(status_code=204)

    async def _take_usage(self, request: Request, held: Held) -> Response:
        note_usage(held, await body_of(request, bytes_max=USAGE_BYTES_MAX))
        return Response(status_code=204)

    async def _ask_people(self, request: Request, held: Held) -> Response:
        return json_answer(answer_or_park(held, await body_of(request, bytes_max=2 * QUESTION_BYTES_MAX)))

    async def _tell_secret(self, request: Request, held: Held) -> Response:
        name, manifest = request.path_params["name"], held.agent.manifest
        if name not in manifest.secrets:
            detail = f"agent.yaml of {manifest.name} names no secret '{name}'{did_you_mean(name, manifest.secrets)}"
            raise Refused(403, detail)
        value = self._secrets.value(held.order.project, name)
        if value is None:
            raise Refused(404, f"the operator has set no secret '{name}' for project '{held.order.project}'")
        return json_answer({"value": value})

    async def _store_artifact(self, request: Request, held: Held) -> Response:
        name = request.query_params.get("name", "")
        if parse(str(ArtifactReference(sha256="0" * 64, name=name))) is None:
            raise Refused(422, "name: expected the name of a file, 1 to 255 characters without '/'")
        with _store_errors():
            stored = await self._artifacts.put_stream(
                pieces_of(request), project=held.order.project, traceparent=held.order.traceparent
            )
        uri = str(ArtifactReference(sha256=stored.sha256, name=name))
        return json_answer({"uri": uri, "sha256": stored.sha256, "size_bytes": stored.size_bytes}, status=201)

    async def _fetch_artifact(self, request: Request, held: Held) -> Response:
        sha256 = request.path_params["sha256"]
        if parse(f"artifact://{sha256}/x") is None:
            raise Refused(422, "expected a SHA-256 in lower-case hexadecimal")
        with _store_errors():
            content = await self._artifacts.fetch(sha256, project=held.order.project)
        size = content.seek(0, 2)
        content.seek(0)
        return StreamingResponse(
            _pieces_and_close(content),
            media_type="application/octet-stream",
            headers={"content-length": str(size)},
        )


@contextmanager
def _store_errors() -> Iterator[None]:
    """What the artifact store says, in the gateway's words."""
    try:
        yield
    except NotFound as error:
        raise Refused(404, str(error)) from error
    except LimitExceeded as error:
        raise Refused(413, str(error)) from error
    except InvalidInput as error:
        raise Refused(422, str(error)) from error
    except Unavailable as error:
        raise Refused(503, str(error)) from error


async def _pieces_and_close(content: IO[bytes]) -> AsyncIterator[bytes]:
    with content:
        while piece := content.read(PIECE_BYTES):
            yield piece


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem(error.status, error.detail)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}")


async def _broken(request: Request, error: Exception) -> Response:
    return problem(500, "the runner failed to answer; its log says why")
