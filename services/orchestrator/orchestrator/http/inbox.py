"""Events from other systems: CloudEvents in (structured, binary, batch), and a list of what came."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.cloud_events import BATCH, HEADER, STRUCTURED, read_batch, read_binary, read_event
from orchestrator.engine.inbox_port import InboundEventView, InboundQueries, Inbox, Receipt
from orchestrator.engine.views import Page
from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.inbound import InboundEvent, SentEvent
from penstock.contracts.limits import REQUEST_BODY_BYTES_MAX
from penstock.contracts.names import RESERVED_TYPE_PREFIX
from penstock.contracts.wire import Undecodable
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.problems import Malformed, UnknownMediaType
from penstock.http.reading import Cursor, NoQuery, PageLimit, project_of, query_of, read_body
from penstock.http.tracing import traceparent_of

_EXAMPLE = {
    "specversion": "1.0",
    "id": "4711",
    "source": "/shop/orders",
    "type": "shop.order.paid",
    "data": {"order": 17},
}

Attribute = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class TakenView(msgspec.Struct, frozen=True):
    """How many events are new, and how many their source had sent before."""

    accepted: int
    repeated: int


class InboundQuery(msgspec.Struct, frozen=True):
    """Of one type; from one source."""

    type: Attribute | None = None
    source: Attribute | None = None
    limit: PageLimit = 50
    cursor: Cursor | None = None


class InboxDoor:
    """Takes and lists events."""

    def __init__(self, inbox: Inbox, queries: InboundQueries) -> None:
        self._inbox = inbox
        self._queries = queries

    async def send(self, request: Request) -> Response:
        query_of(request, NoQuery)
        receipts = Counter[Receipt]()
        events = await _events_of(request, project_of(request))
        refuse_reserved(events)
        for answer in await self._inbox.take(events):
            if isinstance(answer, Exception):
                raise answer
            receipts[answer] += 1
        taken = TakenView(accepted=receipts[Receipt.ACCEPTED], repeated=receipts[Receipt.REPEATED])
        return json_answer(taken, status=202)

    async def list(self, request: Request) -> Response:
        query = query_of(request, InboundQuery)
        page = await self._queries.inbound(
            project_of(request),
            type_=query.type,
            source=query.source,
            limit=query.limit,
            cursor=query.cursor,
        )
        return json_answer(page)


def inbox_endpoints(door: InboxDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/api/v1/events",
            door.send,
            "send_events",
            "Tell of something that happened elsewhere",
            {202: Answer("They are committed; workflows and nodes that wait for them are told", TakenView)},
            f"CloudEvents 1.0: one event as `{STRUCTURED}`, several as `{BATCH}`, or one with its"
            f" attributes in `{HEADER}*` headers and its data as the body. The same `source` and `id` count"
            " once, so that a request can be repeated safely. One that is wrong refuses the whole batch.",
            body=Body(SentEvent, media_types=(STRUCTURED, BATCH, "application/json"), example=_EXAMPLE),
        ),
        Endpoint(
            "GET",
            "/api/v1/events",
            door.list,
            "list_inbound_events",
            "List events from other systems, newest first",
            {200: Answer("Events of the last 7 days, with what each did", Page[InboundEventView])},
            query=InboundQuery,
        ),
    )


async def _events_of(request: Request, project: str) -> tuple[InboundEvent, ...]:
    """What an event sets going belongs to its trace."""
    events, traceparent = await _sent_events(request, project), traceparent_of(request)
    return events if traceparent is None else tuple([event.in_trace(traceparent) for event in events])


async def _sent_events(request: Request, project: str) -> tuple[InboundEvent, ...]:
    content_type = request.headers.get("content-type")
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in (STRUCTURED, BATCH) and not _is_binary(request, kind):
        raise UnknownMediaType(
            f"content type '{kind}' without {HEADER}specversion is no CloudEvent; send {STRUCTURED},"
            f" {BATCH}, or the attributes in {HEADER}* headers"
        )
    body = await read_body(request, bytes_max=REQUEST_BODY_BYTES_MAX)
    try:
        if kind == BATCH:
            return read_batch(project, body)
        if kind == STRUCTURED:
            return (read_event(project, body),)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return (read_binary(project, headers, content_type=content_type, body=body),)
    except Undecodable as error:
        raise Malformed(f"the body is {error}") from error


def refuse_reserved(events: Sequence[InboundEvent]) -> None:
    """Whoever could say that an alert fires could start what is meant for alerts only."""
    problems = tuple(
        Problem(
            path=f"[{place}].type" if len(events) > 1 else "type",
            message=f"'{event.type}' begins with '{RESERVED_TYPE_PREFIX}', as only Penstock's own types do;"
            " expected a type of your own, like com.example.paid",
        )
        for place, event in enumerate(events)
        if event.type.startswith(RESERVED_TYPE_PREFIX)
    )
    if problems:
        raise InvalidInput(f"{problems[0].path}: {problems[0].message}", problems)


def _is_binary(request: Request, kind: str) -> bool:
    return f"{HEADER}specversion" in request.headers and not kind.startswith("application/cloudevents")
