"""Deliveries: the log of what was told to whom, and the order to tell it again."""

from typing import Literal
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from notifier.deliveries.control import DeliveryControl
from notifier.deliveries.views import DeliveriesView, DeliveryDetail
from penstock.contracts.errors import NotFound
from penstock.http.endpoint import Answer, Endpoint, json_answer
from penstock.http.reading import NoQuery, PageLimit, body_of, project_of, query_of

LIMIT_DEFAULT = 50


class DeliveriesQuery(msgspec.Struct, frozen=True):
    """Only those of a subscription, in a state, of a run. `cursor` is the `next` of a former page."""

    subscription: str | None = None
    state: Literal["waiting", "delivered", "failed"] | None = None
    run: UUID | None = None
    limit: PageLimit = LIMIT_DEFAULT
    cursor: UUID | None = None


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing."""


_no_body = msgspec.json.Decoder(NoBody)


class DeliveryDoor:
    def __init__(self, control: DeliveryControl) -> None:
        self._control = control

    async def list(self, request: Request) -> Response:
        query = query_of(request, DeliveriesQuery)
        page = await self._control.deliveries(
            project_of(request),
            subscription=query.subscription,
            state=query.state,
            run=query.run,
            cursor=query.cursor,
            limit=query.limit,
        )
        return json_answer(page)

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._control.delivery(project_of(request), _id(request)))

    async def redeliver(self, request: Request) -> Response:
        query_of(request, NoQuery)
        await body_of(request, _no_body)
        return json_answer(await self._control.redeliver(project_of(request), _id(request)))


def delivery_endpoints(door: DeliveryDoor) -> tuple[Endpoint, ...]:
    detail = Answer("The delivery, its event, and each try", DeliveryDetail)
    return (
        Endpoint(
            "GET",
            "/api/v1/deliveries",
            door.list,
            "list_deliveries",
            "List deliveries, the newest first",
            {200: Answer("A page of them", DeliveriesView)},
            query=DeliveriesQuery,
        ),
        Endpoint(
            "GET",
            "/api/v1/deliveries/{delivery_id}",
            door.get,
            "get_delivery",
            "One delivery with its tries",
            {200: detail},
        ),
        Endpoint(
            "POST",
            "/api/v1/deliveries/{delivery_id}/redeliver",
            door.redeliver,
            "redeliver",
            "Tell it again now, under the same id",
            {200: detail},
            "Its schedule begins again. A target that knows the id may take no notice of it.",
        ),
    )


def _id(request: Request) -> UUID:
    text: str = request.path_params["delivery_id"]
    try:
        return UUID(text.removeprefix("msg_"))
    except ValueError as error:
        raise NotFound("delivery", text) from error
