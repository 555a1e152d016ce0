"""Runs: list them, wait for one, cancel and retry it."""

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Engine, Outcome, Queries, RunFilter
from orchestrator.http.endpoint import json_answer
from orchestrator.http.middleware import mark_long_poll
from orchestrator.http.reading import (
    SEQ_MAX,
    AfterSeq,
    Cursor,
    Moment,
    NoQuery,
    PageLimit,
    WaitSeconds,
    body_of,
    project_of,
    query_of,
    run_id_of,
)
from orchestrator.http.starting import STARTED_BY
from penstock.contracts.errors import Conflict, InvalidInput

UNTIL_ENDED = SEQ_MAX  # no timeline gets that far

StateName = Literal["running", "cancelling", "succeeded", "failed", "cancelled"]


class RunsQuery(msgspec.Struct, frozen=True):
    """`state` and `label` (key:value) may be repeated: any of the states, all of the labels.

    `active`: only runs that have not ended, or with false only those that have.
    """

    workflow: str | None = None
    state: tuple[StateName, ...] = ()
    label: tuple[str, ...] = ()
    active: bool | None = None
    after_time: Moment | None = None
    limit: PageLimit = 50
    cursor: Cursor | None = None


class RunQuery(msgspec.Struct, frozen=True):
    """`wait`: answer when the run has ended, or with `after` when its seq is greater, or when time is over."""

    wait: WaitSeconds = 0.0
    after: AfterSeq | None = None


class CancelBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*$")] = ""


class RetryBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say: what failed or was cancelled is run again."""


_cancel_body = msgspec.json.Decoder(CancelBody)
_retry_body = msgspec.json.Decoder(RetryBody)


class RunDoor:
    """Reads and controls runs."""

    def __init__(self, engine: Engine, queries: Queries) -> None:
        self._engine = engine
        self._queries = queries

    async def list(self, request: Request) -> Response:
        query = query_of(request, RunsQuery)
        which = RunFilter(
            workflow=query.workflow,
            states=query.state,
            labels=_labels(query.label),
            after_time=query.after_time,
            active=query.active,
        )
        page = await self._queries.runs(project_of(request), which, limit=query.limit, cursor=query.cursor)
        return json_answer(page)

    async def get(self, request: Request) -> Response:
        project, run_id, query = project_of(request), run_id_of(request), query_of(request, RunQuery)
        if query.wait:
            mark_long_poll(request.scope)
            after = UNTIL_ENDED if query.after is None else query.after
            # Of a run that does not exist the engine knows at once; the read below then says so.
            await self._engine.committed(run_id, after=after, timeout_s=query.wait)
        return json_answer(await self._queries.run(project, run_id))

    async def cancel(self, request: Request) -> Response:
        project, run_id = project_of(request), run_id_of(request)
        query_of(request, NoQuery)
        body = await body_of(request, _cancel_body)
        outcome = await self._engine.cancel(project, run_id, by=STARTED_BY, reason=body.reason)
        return await self._controlled(
            project, request, outcome, "only a run that has not ended can be cancelled"
        )

    async def retry(self, request: Request) -> Response:
        project, run_id = project_of(request), run_id_of(request)
        query_of(request, NoQuery)
        await body_of(request, _retry_body)
        outcome = await self._engine.retry(project, run_id, by=STARTED_BY)
        return await self._controlled(
            project, request, outcome, "only a failed or cancelled run can be retried"
        )

    async def _controlled(self, project: str, request: Request, outcome: Outcome, rule: str) -> Response:
        view = await self._queries.run(project, run_id_of(request))
        if outcome in (Outcome.APPLIED, Outcome.REPEATED):
            return json_answer(view, status=202)
        raise Conflict(f"the run is {view.state}; {rule}")


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for text in texts:
        key, colon, value = text.partition(":")
        if not colon or not key:
            raise InvalidInput.at("label", f"expected key:value, got '{text}'")
        labels[key] = value
    return labels
