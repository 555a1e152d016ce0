"""Calls providers: passes on what is asked, tries again where that can help, and goes on to the fall-backs.

ask → for each model of the chain → for each try → `_try` → an Opened answer, or why there is none
"""

import asyncio
import math
import random
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec
import structlog

from agent_runner.models.configured import Model, Models, Operation, Provider
from agent_runner.models.problems import ModelProblem
from agent_runner.models.requested import Asked, fields_of
from agent_runner.models.shapes import is_answer
from agent_runner.models.streams import events_of
from agent_runner.redaction import Redaction
from penstock.contracts.limits import KIB, MIB
from penstock.contracts.value import Value

REPLY_BYTES_MAX = 16 * MIB  # of one answer; embeddings of many texts are the largest
ERROR_BYTES_MAX = 64 * KIB
ERROR_CHARS_SHOWN = 500
CONNECTIONS_MAX = 200  # at one provider; more calls wait their turn
CONNECT_S_MAX = 10.0
RETRY_AFTER_S_MAX = 60.0  # a provider that wants a longer pause is left alone
PAUSE_S, PAUSE_S_MAX = 0.25, 8.0  # grows from try to try

_PATHS = {
    Operation.CHAT: "/chat/completions",
    Operation.COMPLETION: "/completions",
    Operation.EMBEDDINGS: "/embeddings",
}
_AGAIN = frozenset({408, 409, 425, 429})  # and all above 499
_TOLD = frozenset({400, 413, 422, 429})  # any other means something of its own at the gateway
_OURS = frozenset({"budget_exceeded", "provider_key_refused"})  # codes that agents take for our word
_KEY_REFUSED = frozenset({401, 403})

log = structlog.get_logger(__name__)


class Opened(Value, frozen=True):
    """An answer has begun. Exactly one of `document` and `events` is set."""

    model: Model
    document: dict[str, Any] | None
    raw: bytes
    events: AsyncIterator[bytes] | None
    response: httpx.Response
    tries: int


class Failed(Exception):
    """One try had no answer. `helps`: another try may have one. `took`: the provider may have worked for it."""

    def __init__(self, problem: ModelProblem, *, helps: bool, took: bool = False) -> None:
        super().__init__(problem.message)
        self.problem, self.helps, self.took = problem, helps, took


class Providers:
    """A pool of connections for each provider. Made at the start: certificates and libraries take tenths of a second
    to read, and in the middle of a call everybody else in the runner would wait for them.
    """

    def __init__(self, models: Models) -> None:
        # Of no use to a provider without TLS; nobody is sent elsewhere from there.
        has_tls = any(provider.url.lower().startswith("https:") for provider in models.providers())
        certificates = httpx.create_ssl_context() if has_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=20)
        self._clients = {
            provider.name: httpx.AsyncClient(limits=limits, verify=certificates)
            for provider in models.providers()
        }

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def ask(self, chain: Sequence[Model], asked: Asked, *, deadline: float) -> Opened:
        """The first answer of the chain. `deadline` is of time.monotonic. Raises Failed with the last reason."""
        failed: Failed | None = None
        tries = 0
        for model in chain:
            for number in range(model.provider.attempts):
                tries += 1
                try:
                    return await self._try(model, asked, deadline=deadline, tries=tries)
                except Failed as error:
                    failed = error
                self._tell(model, failed, tries)
                if not failed.helps:
                    raise failed
                if number + 1 < model.provider.attempts and not await _paused(failed, number, deadline):
                    break
        assert failed is not None, "a chain has a model, and a provider at least one try"
        raise failed

    async def _try(self, model: Model, asked: Asked, *, deadline: float, tries: int) -> Opened:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Failed(ModelProblem(504, "the attempt's time is over", code="timeout"), helps=False)
        response: httpx.Response | None = None
        try:
            async with asyncio.timeout(left):  # a provider that is never silent for long ends here too
                response = await self._send(model, asked, left)
                if not 200 <= response.status_code < 300:
                    raise await self._refused(model, response)
                if asked.is_stream and not _is_json(response):
                    return await self._stream(model, response, tries, deadline)
                return await self._whole(model, asked, response, tries)
        except BaseException as error:
            if response is not None:
                await response.aclose()
            if isinstance(error, httpx.RequestError | TimeoutError | ModelProblem):
                raise _no_answer(model, error) from error
            raise

    async def _send(self, model: Model, asked: Asked, left: float) -> httpx.Response:
        provider = model.provider
        patience = min(provider.timeout_s, left)
        client = self._clients[provider.name]
        request = client.build_request(
            "POST",
            provider.url + _PATHS[asked.operation],
            content=asked.written_for(model),
            headers=headers_of(provider),
            timeout=httpx.Timeout(patience, connect=min(CONNECT_S_MAX, patience)),
        )
        return await client.send(request, stream=True)

    async def _whole(self, model: Model, asked: Asked, response: httpx.Response, tries: int) -> Opened:
        raw = await _read(response)
        await response.aclose()
        document = _decoded(raw, asked.operation)
        if document is None or not is_answer(document, asked.operation):
            reason = shown(model.provider, raw)
            raise ModelProblem(502, f"provider '{model.provider.name}' answered with no answer: {reason}")
        return Opened(model, document, raw, None, response, tries)

    async def _stream(self, model: Model, response: httpx.Response, tries: int, deadline: float) -> Opened:
        """From its first event on there is no way back; a stream that breaks off before has not begun."""
        events = events_of(_bounded(response, deadline=deadline))
        first = await anext(events, None)
        if first is None:
            raise ModelProblem(502, f"provider '{model.provider.name}' sent a stream without any event")
        return Opened(model, None, b"", _with_first(first, events), response, tries)

    async def _refused(self, model: Model, response: httpx.Response) -> Failed:
        """What the provider says no with, in the words that the agent gets."""
        status, provider = response.status_code, model.provider
        raw = await _beginning(response)
        if status in _KEY_REFUSED:
            sentence = (
                f"provider '{provider.name}' refuses the operator's key ({status}); the operator must mend it"
            )
            return Failed(ModelProblem(502, sentence, code="provider_key_refused"), helps=False)
        error = (_decoded(raw) or {}).get("error")
        told = error if isinstance(error, dict) else {"message": raw.decode("utf-8", "replace")}
        message = shown(provider, str(told.get("message") or response.reason_phrase))
        helps = status in _AGAIN or status >= 500
        if status == 404:
            sentence = (
                f"provider '{provider.name}' has no model '{model.model}' or no such operation: {message}"
            )
            return Failed(ModelProblem(404, sentence, code="model_not_found"), helps=False)
        if status not in _TOLD:
            sentence = f"provider '{provider.name}' failed with {status}: {message}"
            return Failed(ModelProblem(502, sentence, code="provider_failed"), helps=helps)
        code, kind = (shown(provider, str(told.get(name) or ""))[:100] for name in ("code", "type"))
        problem = ModelProblem(
            status,
            message,
            code="" if code in _OURS else code,
            kind=kind,
            retry_after_s=_retry_after_s(response.headers),
        )
        return Failed(problem, helps=helps)

    def _tell(self, model: Model, failed: Failed, tries: int) -> None:
        log.warning(
            "model.try_failed",
            model=model.name,
            provider=model.provider.name,
            status=failed.problem.status,
            code=failed.problem.code,
            reason=failed.problem.message,
            tries=tries,
        )


def shown(provider: Provider, text: str | bytes, *, chars_max: int = ERROR_CHARS_SHOWN) -> str:
    """What a provider said, without its key: some repeat the one that they got."""
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    keys = (provider.key.reveal(),) if provider.key is not None else ()
    return Redaction(keys)(text)[:chars_max]


def headers_of(provider: Provider) -> dict[str, str]:
    key = {"authorization": f"Bearer {provider.key.reveal()}"} if provider.key is not None else {}
    return {"content-type": "application/json", "user-agent": "penstock", **key}


async def _with_first(first: bytes, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for each in events:
        yield each


async def _read(response: httpx.Response) -> bytes:
    return b"".join([piece async for piece in _bounded(response)])


async def _bounded(response: httpx.Response, *, deadline: float = math.inf) -> AsyncIterator[bytes]:
    """The body as it comes. A stream of comments, or one without an end, does not go on for ever."""
    size = 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > REPLY_BYTES_MAX:
            sentence = f"the provider's answer has more than {REPLY_BYTES_MAX} bytes"
            raise ModelProblem(502, sentence, code="too_large")
        if time.monotonic() > deadline:
            raise ModelProblem(504, "the attempt's time is over", code="timeout")
        yield piece


async def _beginning(response: httpx.Response) -> bytes:
    """Of an error's body: enough to say what it is."""
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > ERROR_BYTES_MAX:
            break
    return bytes(content[:ERROR_BYTES_MAX])


def _is_json(response: httpx.Response) -> bool:
    """Of an answer that was asked for as a stream: some servers cannot, and some say in this way why not."""
    return str(response.headers.get("content-type", "")).startswith("application/json")


def _decoded(raw: bytes, operation: Operation = Operation.CHAT) -> dict[str, Any] | None:
    try:
        return fields_of(raw, left="data" if operation is Operation.EMBEDDINGS else "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _no_answer(model: Model, error: Exception) -> Failed:
    if isinstance(error, ModelProblem):
        return Failed(error, helps=True, took=True)
    name, reason = model.provider.name, shown(model.provider, str(error) or type(error).__name__)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        sentence = f"provider '{name}' cannot be reached: {reason}"
        return Failed(ModelProblem(502, sentence, code="provider_unreachable"), helps=True)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        sentence = f"provider '{name}' did not answer in time"
        return Failed(ModelProblem(504, sentence, code="timeout"), helps=True, took=True)
    sentence = f"the connection to provider '{name}' broke off: {reason}"
    return Failed(ModelProblem(502, sentence, code="provider_broke_off"), helps=True, took=True)


async def _paused(failed: Failed, number: int, deadline: float) -> bool:
    """Wait as the provider wants it, or a little longer from try to try; False if that is too long."""
    wanted = failed.problem.retry_after_s
    grown = min(PAUSE_S * 2**number, PAUSE_S_MAX) * random.uniform(0.75, 1.25)
    pause = grown if wanted is None else wanted
    if pause > RETRY_AFTER_S_MAX or time.monotonic() + pause >= deadline:
        return False
    await asyncio.sleep(pause)
    return True


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds, or a date, as RFC 9110 has it."""
    text = headers.get("retry-after", "")
    with suppress(ValueError):
        seconds = float(text)
        return max(0.0, seconds) if seconds == seconds else None
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None
