"""Alertmanager's webhook, and what became of alerts. A webhook is never answered with 429 or 500.

Alertmanager sends again what was answered with 5xx and drops what was answered with 4xx. So whatever is not the
sender's fault is a 503: it will come again.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from notifier.alerts.intake import Intake
from notifier.alerts.payload import PAYLOAD_BYTES_MAX, Group, SentGroup, Status, read_group
from notifier.alerts.port import AlertQueries
from notifier.alerts.source import Source, source_of_token
from notifier.alerts.views import ActionPage, AlertPage
from penstock.contracts.errors import PenstockError, Unavailable
from penstock.contracts.value import replace
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.middleware import request_id_of
from penstock.http.problems import MEDIA_TYPE, ProblemDocument, problem
from penstock.http.reading import Cursor, PageLimit, expect_media_type, query_of, read_body
from penstock.http.tracing import traceparent_of
from penstock.telemetry import metrics

NOBODY = "unknown"  # the source of a webhook without a token that is known

log = structlog.get_logger(__name__)

Filter = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
State = Literal["doing", "done", "undoing", "ended"]

_EXAMPLE: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="LlmDown"}',
    "status": "firing",
    "receiver": "penstock",
    "groupLabels": {"alertname": "LlmDown"},
    "commonLabels": {"alertname": "LlmDown", "severity": "page"},
    "commonAnnotations": {"summary": "The provider answers with 503"},
    "externalURL": "http://alertmanager:9093",
    "truncatedAlerts": 0,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "LlmDown", "severity": "page"},
            "annotations": {"summary": "The provider answers with 503"},
            "startsAt": "2026-11-21T09:30:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph",
            "fingerprint": "c2ab2e0f4f4a1f6b",
        }
    ],
}


class TakenView(msgspec.Struct, frozen=True):
    """How many alerts are new, and how many were told before."""

    stored: int
    repeated: int


class AlertsQuery(msgspec.Struct, frozen=True):
    """Of one source, status or project."""

    source: Filter | None = None
    status: Status | None = None
    project: Filter | None = None
    limit: PageLimit = 50
    cursor: Cursor | None = None


class ActionsQuery(msgspec.Struct, frozen=True):
    """Of one source, state or project."""

    source: Filter | None = None
    state: State | None = None
    project: Filter | None = None
    limit: PageLimit = 50
    cursor: Cursor | None = None


class AlertmanagerDoor:
    """Takes webhooks, and lists what came and what was done."""

    def __init__(self, sources: Sequence[Source], intake: Intake, queries: AlertQueries) -> None:
        self._sources = sources
        self._intake = intake
        self._queries = queries

    async def take(self, request: Request) -> Response:
        source = source_of_token(self._sources, _token(request))
        if source is None:
            metrics.ALERT_PAYLOADS.labels(NOBODY, "unauthorised").inc()
            return _unauthorised(request)
        answer = "refused"
        try:
            response = await self._taken(request, source)
            answer = "accepted"
            return response
        except Unavailable:
            answer = "unavailable"
            raise
        finally:
            metrics.ALERT_PAYLOADS.labels(source.name, answer).inc()

    async def _taken(self, request: Request, source: Source) -> Response:
        async def read() -> Group:
            group = read_group(await read_body(request, bytes_max=PAYLOAD_BYTES_MAX))
            return replace(group, traceparent=traceparent_of(request))

        expect_media_type(request, "application/json")
        try:
            taken = await self._intake.take(source, read)
        except (PenstockError, ClientDisconnect):
            raise
        except Exception as error:
            log.exception("alerts.not_taken", source=source.name, request_id=request_id_of(request.scope))
            raise Unavailable("the webhook could not be stored now; the log has the reason") from error
        return json_answer(TakenView(sum(taken.stored.values()), sum(taken.repeated.values())))

    async def alerts(self, request: Request) -> Response:
        query = query_of(request, AlertsQuery)
        return json_answer(await self._queries.alerts(**msgspec.structs.asdict(query)))

    async def actions(self, request: Request) -> Response:
        query = query_of(request, ActionsQuery)
        return json_answer(await self._queries.actions(**msgspec.structs.asdict(query)))


def alertmanager_endpoints(door: AlertmanagerDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/api/v1/alertmanager",
            door.take,
            "take_alerts",
            "Alertmanager's webhook, version 4",
            {
                200: Answer("They are stored; what was told before changes nothing", TakenView),
                401: Answer("No bearer token, or not one of a source", ProblemDocument, MEDIA_TYPE),
            },
            "The bearer token says which source of the configuration sends, and so the project. Unknown fields are"
            " ignored. 503 asks Alertmanager to send again.",
            body=Body(SentGroup, example=_EXAMPLE),
        ),
        Endpoint(
            "GET",
            "/api/v1/alerts",
            door.alerts,
            "list_alerts",
            "List alerts, the latest first",
            {200: Answer("Alerts of the last 30 days", AlertPage)},
            query=AlertsQuery,
        ),
        Endpoint(
            "GET",
            "/api/v1/alert-actions",
            door.actions,
            "list_alert_actions",
            "List what alerts did to the engine, the latest first",
            {200: Answer("What was done, for which alert, when, and when it was undone", ActionPage)},
            query=ActionsQuery,
        ),
    )


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _unauthorised(request: Request) -> Response:
    return problem(
        401,
        "unauthorised",
        "Unauthorised",
        "expected the header `Authorization: Bearer …` with the token of a source in the section `alertmanagers`"
        " of the notifier's configuration file",
        request_id=request_id_of(request.scope),
        headers={"www-authenticate": 'Bearer realm="penstock"'},
    )
