"""Circuit breakers: list them, open, close and reset them, and say when a dependency's opens."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.breaker_port import Breakers
from orchestrator.engine.breaker_views import BreakerDetail, BreakersView
from orchestrator.engine.port import Queries
from orchestrator.http.starting import STARTED_BY
from penstock.contracts.duration import DURATION_EXPECTED, format_duration, parse_duration
from penstock.contracts.errors import InvalidInput
from penstock.contracts.limits import RUN_TIMEOUT_MAX
from penstock.contracts.workflow import BreakerPolicy
from penstock.http.endpoint import Answer, Body, Endpoint, Handle, json_answer
from penstock.http.reading import NoQuery, body_of, project_of, query_of

StateName = Literal["closed", "open", "half_open"]
Text = Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*$")]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]

_DEFAULT = BreakerPolicy()


class BreakersQuery(msgspec.Struct, frozen=True):
    """`state`: only those in it."""

    state: StateName | None = None


class ChangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who changes it and why; kept for the audit."""

    by: Text = STARTED_BY
    reason: Text = ""


class OpenBody(ChangeBody, frozen=True, forbid_unknown_fields=True):
    """`for`: how long nobody may call ("10m"), before a probe; left out: until it is closed."""

    lasting: str | None = msgspec.field(name="for", default=None)


class PolicyBody(ChangeBody, frozen=True, forbid_unknown_fields=True):
    """Of a dependency's breaker, in the whole project. Durations like "60s"."""

    failures: Count = _DEFAULT.failures
    minimum: Count = _DEFAULT.minimum
    cooldown: str = format_duration(_DEFAULT.cooldown)
    window: str = format_duration(_DEFAULT.window)


_change_body = msgspec.json.Decoder(ChangeBody)
_open_body = msgspec.json.Decoder(OpenBody)
_policy_body = msgspec.json.Decoder(PolicyBody)


class BreakerDoor:
    """Reads breakers, and asks for their changes."""

    def __init__(self, breakers: Breakers, queries: Queries) -> None:
        self._breakers = breakers
        self._queries = queries

    async def list(self, request: Request) -> Response:
        query = query_of(request, BreakersQuery)
        return json_answer(await self._queries.breakers(project_of(request), state=query.state))

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return await self._shown(project_of(request), _key(request))

    async def open(self, request: Request) -> Response:
        project, key = _asked(request)
        body = await body_of(request, _open_body)
        lasting = None if body.lasting is None else _duration("for", body.lasting)
        await self._breakers.open(project, key, by=body.by, reason=body.reason, lasting=lasting)
        return await self._shown(project, key)

    async def close(self, request: Request) -> Response:
        project, key = _asked(request)
        body = await body_of(request, _change_body)
        await self._breakers.close(project, key, by=body.by, reason=body.reason)
        return await self._shown(project, key)

    async def reset(self, request: Request) -> Response:
        project, key = _asked(request)
        body = await body_of(request, _change_body)
        await self._breakers.reset(project, key, by=body.by, reason=body.reason)
        return await self._shown(project, key)

    async def set_policy(self, request: Request) -> Response:
        project, key = _asked(request)
        body = await body_of(request, _policy_body)
        policy = BreakerPolicy(
            failures=body.failures,
            cooldown=_duration("cooldown", body.cooldown),
            minimum=body.minimum,
            window=_duration("window", body.window),
        )
        await self._breakers.set_policy(project, key, policy, by=body.by, reason=body.reason)
        return await self._shown(project, key)

    async def _shown(self, project: str, key: str) -> Response:
        return json_answer(await self._queries.breaker(project, key))


def breaker_endpoints(door: BreakerDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/api/v1/breakers",
            door.list,
            "list_breakers",
            "List circuit breakers",
            {200: Answer("Those that were ever asked, by key", BreakersView)},
            "Keys are `dependency/<name>` and `workflow/<workflow>/<node>`; slashes may be percent-encoded.",
            query=BreakersQuery,
        ),
        Endpoint(
            "GET",
            "/api/v1/breakers/{key:path}",
            door.get,
            "get_breaker",
            "One breaker with its last changes",
            {200: Answer("The breaker, and who changed it when and why", BreakerDetail)},
        ),
        _change(
            "POST", "open", door.open, "Let nobody call", OpenBody, {"reason": "maintenance", "for": "10m"}
        ),
        _change("POST", "close", door.close, "Let everybody call", ChangeBody, {"reason": "it is back"}),
        _change("POST", "reset", door.reset, "Forget all that is known of it", ChangeBody, None),
        _change("PUT", "policy", door.set_policy, "Say when it opens", PolicyBody, {"failures": 3}),
    )


def _change(
    method: str, verb: str, handle: Handle, summary: str, body: type, example: dict[str, object] | None
) -> Endpoint:
    return Endpoint(
        method,
        f"/api/v1/breakers/{{key:path}}/{verb}",
        handle,
        f"{verb}_breaker" if verb != "policy" else "set_breaker_policy",
        summary,
        {200: Answer("The breaker after the change", BreakerDetail)},
        _DESCRIPTIONS[verb],
        body=Body(body, example=example, required=False),
    )


_DESCRIPTIONS = {
    "open": "With `for` a probe goes through after that time; without, it stays open until it is closed.",
    "close": "What it held back is released in growing steps: one now, two a second later, then four …",
    "reset": "It is closed, its outcomes are forgotten, and a dependency has the default policy again.",
    "policy": "Of a dependency only, for the whole project. A node's breaker has its policy in the definition.",
}


def _asked(request: Request) -> tuple[str, str]:
    query_of(request, NoQuery)
    return project_of(request), _key(request)


def _key(request: Request) -> str:
    key: str = request.path_params["key"]
    return key


def _duration(path: str, text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None or not duration or duration > RUN_TIMEOUT_MAX:
        raise InvalidInput.at(
            path, f"expected {DURATION_EXPECTED}, more than 0s and at most 30d, got '{text}'"
        )
    return duration
