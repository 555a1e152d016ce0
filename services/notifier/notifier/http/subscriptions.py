"""Subscriptions: make, change, list, try out, pause, delete."""

from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from notifier.channels.kinds import CHANNELS
from notifier.deliveries.control import DeliveryControl
from notifier.deliveries.document import EVENTS_MAX
from notifier.deliveries.views import SubscriptionsView, SubscriptionView, TestView
from penstock.contracts.limits import REQUEST_BODY_BYTES_MAX
from penstock.http.endpoint import Answer, Body, Endpoint, Handle, json_answer
from penstock.http.problems import Malformed
from penstock.http.reading import NoQuery, body_of, project_of, query_of, read_body

Text = Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*$")]

DOCUMENT: dict[str, Any] = {
    "type": "object",
    "required": ["events", "channel"],
    "additionalProperties": False,
    "properties": {
        "events": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": EVENTS_MAX,
            "description": "Kinds of events; `*` stands for any text.",
        },
        "if": {"type": "string", "description": "One expression over `event`, that gives true or false."},
        "channel": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {kind: {"type": "object"} for kind in CHANNELS},
            "description": "One channel by its name, with its options.",
        },
        "template": {
            "type": ["string", "object"],
            "description": "What is said, with expressions in it; for a webhook a mapping, sent as JSON.",
        },
        "active": {"type": "boolean", "default": True},
    },
}
_EXAMPLE = {
    "events": ["run.failed"],
    "if": "${{ event.workflow == 'release' }}",
    "channel": {"webhook": {"url": "https://example.org/penstock"}},
}


class PauseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: Text = ""


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing."""


_pause_body = msgspec.json.Decoder(PauseBody)
_no_body = msgspec.json.Decoder(NoBody)


class SubscriptionDoor:
    def __init__(self, control: DeliveryControl) -> None:
        self._control = control

    async def list(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._control.list(project_of(request)))

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._control.get(*_asked(request)))

    async def put(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project, name = _asked(request)
        shown, is_new = await self._control.put(project, name, await _document(request))
        return json_answer(shown, status=201 if is_new else 200)

    async def delete(self, request: Request) -> Response:
        query_of(request, NoQuery)
        await self._control.delete(*_asked(request))
        return Response(status_code=204)

    async def test(self, request: Request) -> Response:
        query_of(request, NoQuery)
        await body_of(request, _no_body)
        return json_answer(await self._control.test(*_asked(request)))

    async def pause(self, request: Request) -> Response:
        query_of(request, NoQuery)
        body = await body_of(request, _pause_body)
        shown = await self._control.set_active(*_asked(request), active=False, reason=body.reason)
        return json_answer(shown)

    async def resume(self, request: Request) -> Response:
        query_of(request, NoQuery)
        await body_of(request, _no_body)
        return json_answer(await self._control.set_active(*_asked(request), active=True, reason=""))


def subscription_endpoints(door: SubscriptionDoor) -> tuple[Endpoint, ...]:
    path = "/api/v1/subscriptions/{name}"
    one = Answer("The subscription; nothing secret is in it", SubscriptionView)
    of_file = "It is from the notifier's configuration file, which alone can change it"
    return (
        Endpoint(
            "GET",
            "/api/v1/subscriptions",
            door.list,
            "list_subscriptions",
            "List the project's subscriptions",
            {200: Answer("All of them, by name", SubscriptionsView)},
        ),
        Endpoint("GET", path, door.get, "get_subscription", "One subscription", {200: one}),
        Endpoint(
            "PUT",
            path,
            door.put,
            "put_subscription",
            "Make a subscription, or change it",
            {200: Answer("Changed, or as it was", SubscriptionView), 201: Answer("Made", SubscriptionView)},
            "What happened before it was made is not told. Secrets are taken and never shown again.",
            body=Body(DOCUMENT, example=_EXAMPLE),
            conflicts=f"{of_file}; or the project has as many as it may",
        ),
        Endpoint(
            "DELETE",
            path,
            door.delete,
            "delete_subscription",
            "Delete a subscription with its deliveries",
            {204: Answer("Gone", media_type="text/plain")},
            conflicts=of_file,
        ),
        _order("test", door.test, "Send a sample event now", TestView, "What the target said", NoBody),
        _order("pause", door.pause, "Tell nothing for now", SubscriptionView, "Paused", PauseBody),
        _order("resume", door.resume, "Tell again", SubscriptionView, "Active", NoBody),
    )


def _order(verb: str, handle: Handle, summary: str, kind: type, answer: str, body: type) -> Endpoint:
    return Endpoint(
        "POST",
        f"/api/v1/subscriptions/{{name}}/{verb}",
        handle,
        f"{verb}_subscription",
        summary,
        {200: Answer(answer, kind)},
        _DESCRIPTIONS[verb],
        body=Body(body, required=False),
    )


_DESCRIPTIONS = {
    "test": "Past breaker and schedule; it is not in the log of deliveries. 200 also when the target refused.",
    "pause": "What happens meanwhile makes no deliveries; what waits already is sent after the resumption.",
    "resume": "Also after the target had answered 410 Gone, which pauses a subscription.",
}


def _asked(request: Request) -> tuple[str, str]:
    name: str = request.path_params["name"]
    return project_of(request), name


async def _document(request: Request) -> Any:
    """Any JSON: the subscription's own reader says all that is wrong with it."""
    try:
        return msgspec.json.decode(await read_body(request, bytes_max=REQUEST_BODY_BYTES_MAX))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
