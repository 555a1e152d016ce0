"""Calls of language models as an agent makes them: through the runner's socket, in the OpenAI-compatible API.

Outside Penstock (a unit test, a shell) they go to OPENAI_BASE_URL with OPENAI_API_KEY, if there is one, so that an
agent can be tried against a model server; OPENAI_MODEL is then what `default` means.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from penstock.agents.attempt import context, is_offered
from penstock.agents.errors import (
    AgentError,
    BudgetSpent,
    ConnectionLost,
    Invalid,
    LimitReached,
    NetworkFailed,
    NoModel,
    NotAllowed,
    NotAuthenticated,
    Parked,
    RateLimited,
    TimedOut,
    TryAgain,
)

DEFAULT = "default"
PARKED_STATUS = 423  # the attempt ends, and another one gets to this call again
TIMEOUT_SECONDS_LOCAL = 600.0  # without an attempt there is no deadline
_BEYOND_DEADLINE_S = 5.0  # the runner gives up first, and says why

_OF_STATUS: dict[int, Callable[[str], AgentError]] = {
    401: NotAuthenticated,
    402: BudgetSpent,
    403: NotAllowed,
    404: NoModel,
    408: TimedOut,
    409: TryAgain,
    413: LimitReached,
    429: RateLimited,
    504: TimedOut,
}
_OF_CODE: dict[str, Callable[[str], AgentError]] = {
    "model_not_found": NoModel,
    "context_length_exceeded": LimitReached,
    "budget_exceeded": BudgetSpent,
    "provider_key_refused": NotAuthenticated,
}
_NOBODY = (
    "there is no model to call: inside a run the runner has those that the operator configured; "
    "outside, set OPENAI_BASE_URL (and OPENAI_MODEL) to a server that speaks the OpenAI-compatible API"
)


def post(path: str, body: dict[str, Any]) -> Any:
    """The answer to `body` at `/v1/<path>`, or the error that says what the caller can do."""
    return _good(*_exchange("POST", f"/v1/{path}", json.dumps(body, allow_nan=False).encode()))


def model_names() -> list[str]:
    """What `GET /v1/models` lists; nothing where nobody offers models."""
    if not is_offered() and not _base_url():
        return []
    return [str(model["id"]) for model in _good(*_exchange("GET", "/v1/models", None))["data"]]


def model_named(name: str) -> str:
    """The name to send: inside Penstock the operator's; outside, what OPENAI_MODEL says for `default`."""
    return os.environ.get("OPENAI_MODEL", name) if name == DEFAULT and not is_offered() else name


def _exchange(method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
    if is_offered():
        from penstock.agents.gateway import exchange

        return exchange(method, path, body, timeout_s=_timeout_s())
    if not _base_url():
        raise NoModel(_NOBODY)
    return _direct(method, _base_url() + path.removeprefix("/v1"), body)


def _base_url() -> str:
    return os.environ.get("OPENAI_BASE_URL", "").rstrip("/")


def _timeout_s() -> float:
    """Until the attempt's end: how long a model may take is for the operator to say."""
    deadline = context.deadline
    if deadline is None:
        return TIMEOUT_SECONDS_LOCAL
    return max(1.0, (deadline - datetime.now(UTC)).total_seconds()) + _BEYOND_DEADLINE_S


def _direct(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
    key = os.environ.get("OPENAI_API_KEY", "none")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    try:
        with urlopen(Request(url, body, headers, method=method), timeout=TIMEOUT_SECONDS_LOCAL) as response:
            return response.status, response.read()
    except HTTPError as error:
        return error.code, error.read()
    except (URLError, OSError) as error:
        raise ConnectionLost(f"{url}: {error}") from error


def _good(status: int, body: bytes) -> Any:
    document = _document(body)
    if status < 300:
        return document
    error = document.get("error") if isinstance(document, dict) else None
    told = error if isinstance(error, dict) else {"message": body.decode("utf-8", "replace")[:500]}
    if status == PARKED_STATUS:
        raise Parked(str(told.get("message")))
    kind = _OF_CODE.get(str(told.get("code"))) or _OF_STATUS.get(status)
    if kind is None:
        kind = NetworkFailed if status >= 500 else Invalid
    raise kind(f"calling a model: {told.get('message') or f'status {status}'}")


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
