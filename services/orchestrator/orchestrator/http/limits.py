"""Limits of projects and pools: list them, set one, unset it."""

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.limits import Limits, LimitScope, LimitsView, LimitView
from penstock.contracts.errors import InvalidInput, NotFound
from penstock.contracts.limits import EXECUTION_LIMIT_MAX
from penstock.contracts.names import NAME_PATTERN, is_name
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.reading import NoQuery, body_of, query_of


class LimitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`maximum`: attempts at once, 0 for none at all; of scope `starts`, runs in a second, at least 1."""

    maximum: Annotated[int, msgspec.Meta(ge=0, le=EXECUTION_LIMIT_MAX)]


_body = msgspec.json.Decoder(LimitBody)


class LimitDoor:
    """Keeps what operators set."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def list(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._limits.list())

    async def set(self, request: Request) -> Response:
        scope, name = _limit_of(request)
        body = await body_of(request, _body)
        if scope is LimitScope.STARTS and body.maximum < 1:
            raise InvalidInput.at(
                "maximum", "expected at least 1 start in a second; deactivate workflows to stop"
            )
        return json_answer(await self._limits.set(scope, name, body.maximum))

    async def unset(self, request: Request) -> Response:
        query_of(request, NoQuery)
        await self._limits.unset(*_limit_of(request))
        return Response(status_code=204)


def _limit_of(request: Request) -> tuple[LimitScope, str]:
    scope, name = request.path_params["scope"], request.path_params["limited"]
    if scope not in list(LimitScope):
        raise NotFound("scope of limits", scope, tuple(LimitScope))
    if not is_name(name):
        raise InvalidInput.at("limited", f"expected a name like {NAME_PATTERN}")
    return LimitScope(scope), name


def limit_endpoints(door: LimitDoor) -> tuple[Endpoint, ...]:
    one = "/api/v1/limits/{scope}/{limited}"
    return (
        Endpoint(
            "GET",
            "/api/v1/limits",
            door.list,
            "list_limits",
            "List the limits that are set",
            {200: Answer("All of them, with what counts against each now", LimitsView)},
        ),
        Endpoint(
            "PUT",
            one,
            door.set,
            "set_limit",
            "Set a limit of a project or a pool",
            {200: Answer("The limit", LimitView)},
            "`project` and `pool` limit the attempts that run at once: what is over it waits, and `explain` says so;"
            " what runs already goes on. `starts` limits the runs that a project starts in a second, by the"
            " orchestrator that is asked: more are answered with 429. It counts everywhere within a second.",
            body=Body(LimitBody, example={"maximum": 20}),
        ),
        Endpoint(
            "DELETE",
            one,
            door.unset,
            "unset_limit",
            "Unset a limit",
            {204: Answer("It is gone", media_type="")},
        ),
    )
