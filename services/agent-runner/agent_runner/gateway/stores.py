"""What agents ask of stores: passed on to the orchestrator, which keeps them, for the stores that the agent names."""

from typing import TypeVar

import msgspec
import nats.errors
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent_runner.gateway.reports import ANSWER_TIMEOUT_S
from agent_runner.gateway.requests import Refused, body_of, json_answer
from agent_runner.gateway.routes import Endpoint, MakeRoute
from agent_runner.held import Held
from penstock.bus.connection import Bus
from penstock.contracts import subjects
from penstock.contracts.limits import KIB, STORE_KEY_CHARS_MAX, STORE_WRITE_BYTES_MAX
from penstock.contracts.names import did_you_mean
from penstock.contracts.store_messages import (
    Refusal,
    StoreOperation,
    StoreQuery,
    StoreRead,
    StoreReadAnswer,
    StoreRefusal,
    StoreUndo,
    StoreUndoAnswer,
    StoreWrite,
    StoreWriteAnswer,
)
from penstock.contracts.wire import Undecodable, decode, encode
from penstock.telemetry.log_fields import about_attempt

QUESTION_BYTES_MAX = 64 * KIB

log = structlog.get_logger(__name__)

A = TypeVar("A", StoreReadAnswer, StoreWriteAnswer, StoreUndoAnswer)
B = TypeVar("B", bound=msgspec.Struct)


class Writing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /store/{store}/write."""

    operations: tuple[StoreOperation, ...]


class Undoing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /store/{store}/undo."""

    node: str
    force: bool = False


class StoreCalls:
    """Asks over the bus, in the name of the attempt."""

    def __init__(self, bus: Bus, *, pool: str) -> None:
        self._bus = bus
        self._pool = pool

    async def read(
        self, held: Held, store: str, query: StoreQuery, key: str | None = None
    ) -> StoreReadAnswer:
        order = held.order
        asked = StoreRead(order.run, order.node, order.attempt, held.token, store, query, key)
        return await self._ask("store-read", asked, held, StoreReadAnswer)

    async def write(self, held: Held, store: str, operations: tuple[StoreOperation, ...]) -> StoreWriteAnswer:
        order = held.order
        asked = StoreWrite(order.run, order.node, order.attempt, held.token, store, operations)
        return await self._ask("store-write", asked, held, StoreWriteAnswer)

    async def undo(self, held: Held, store: str, undoing: Undoing) -> StoreUndoAnswer:
        order, node, force = held.order, undoing.node, undoing.force
        asked = StoreUndo(order.run, order.node, order.attempt, held.token, store, node, force)
        return await self._ask("store-undo", asked, held, StoreUndoAnswer)

    async def _ask(
        self, call: str, asked: StoreRead | StoreWrite | StoreUndo, held: Held, kind: type[A]
    ) -> A:
        try:
            subject = subjects.rpc(self._pool, call)
            reply = await self._bus.client.request(subject, encode(asked), timeout=ANSWER_TIMEOUT_S)
            answer = decode(reply.data, kind)
        except (nats.errors.Error, TimeoutError, Undecodable) as error:
            reason = str(error) or type(error).__name__
            log.warning("store.unanswered", call=call, **about_attempt(held.order), reason=reason)
            raise Refused(503, "the orchestrator does not answer; try again") from error
        if not answer.held:
            raise Refused(409, "this attempt has been superseded by another one")
        if answer.refused is not None:
            raise _refused(answer.refused)
        return answer


class StoreRoutes:
    """The part of the gateway that is about stores."""

    def __init__(self, calls: StoreCalls) -> None:
        self._calls = calls

    def routes(self, route: MakeRoute) -> list[Route]:
        declared: tuple[tuple[str, str, Endpoint], ...] = (
            ("POST", "/store/{store}/query", self._query),
            ("POST", "/store/{store}/write", self._write),
            ("POST", "/store/{store}/undo", self._undo),
            ("GET", "/store/{store}/{table}/{key:path}", self._get),
        )
        return [route(method, path, endpoint) for method, path, endpoint in declared]

    async def _get(self, request: Request, held: Held) -> Response:
        store, given = _store_of(request, held), request.path_params
        if not 1 <= len(given["key"]) <= STORE_KEY_CHARS_MAX or "\x00" in given["key"]:
            raise Refused(422, f"key: expected 1 to {STORE_KEY_CHARS_MAX} characters without U+0000")
        answer = await self._calls.read(held, store, StoreQuery(given["table"]), given["key"])
        if not answer.rows:
            raise Refused(404, f"store '{store}': no row '{given['key']}' in table '{given['table']}'")
        return json_answer(answer.rows[0])

    async def _query(self, request: Request, held: Held) -> Response:
        store = _store_of(request, held)
        query = _decoded(await body_of(request, bytes_max=QUESTION_BYTES_MAX), StoreQuery)
        answer = await self._calls.read(held, store, query)
        return json_answer({"rows": answer.rows, "next": answer.next})

    async def _write(self, request: Request, held: Held) -> Response:
        store = _store_of(request, held)
        writing = _decoded(await body_of(request, bytes_max=STORE_WRITE_BYTES_MAX), Writing)
        answer = await self._calls.write(held, store, writing.operations)
        return json_answer({"versions": answer.versions})

    async def _undo(self, request: Request, held: Held) -> Response:
        store = _store_of(request, held)
        undoing = _decoded(await body_of(request, bytes_max=QUESTION_BYTES_MAX), Undoing)
        if "\x00" in undoing.node:
            raise Refused(422, "node: contains the character U+0000")
        return json_answer((await self._calls.undo(held, store, undoing)).undone)


def _store_of(request: Request, held: Held) -> str:
    """The store that the path names, if the agent's manifest names it, too."""
    store: str = request.path_params["store"]
    manifest = held.agent.manifest
    if store not in manifest.stores:
        near = did_you_mean(store, manifest.stores)
        raise Refused(403, f"`stores` in agent.yaml of {manifest.name} does not name '{store}'{near}")
    return store


def _decoded(body: bytes, kind: type[B]) -> B:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(422, f"expected {{{', '.join(kind.__struct_fields__)}}}: {error}") from error


def _refused(refusal: StoreRefusal) -> Refused:
    """412 is a conflict of rows: 409 says that the attempt is lost."""
    told = [refusal.detail]
    for problem in refusal.problems:
        line = f"{problem.path}: {problem.message}"
        if line not in refusal.detail:
            told.append(line)
    return Refused(412 if refusal.kind is Refusal.CONFLICT else 422, "; ".join(told))
