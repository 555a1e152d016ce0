"""Runs: list them, and wait for one."""

from typing import Literal
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Engine, Queries, RunFilter
from penstock.contracts.errors import InvalidInput
from penstock.http.endpoint import json_answer
from penstock.http.middleware import mark_long_poll
from penstock.http.reading import (
    SEQ_MAX,
    AfterSeq,
    Cursor,
    Moment,
    PageLimit,
    WaitSeconds,
    project_of,
    query_of,
    run_id_of,
)

UNTIL_ENDED = SEQ_MAX  # no timeline gets that far

StateName = Literal[
    "queued",
    "running",
    "paused",
    "cancelling",
    "compensating",
    "succeeded",
    "failed",
    "cancelled",
    "compensated",
]


class RunsQuery(msgspec.Struct, frozen=True):
    """`state` and `label` (key:value) may be repeated: any of the states, all of the labels. `parent`: runs that
    this one has started as its sub-workflows. `active`: only runs that have not ended, or with false only those
    that have.
    """

    workflow: str | None = None
    state: tuple[StateName, ...] = ()
    label: tuple[str, ...] = ()
    parent: UUID | None = None
    active: bool | None = None
    after_time: Moment | None = None
    limit: PageLimit = 50
    cursor: Cursor | None = None


class RunQuery(msgspec.Struct, frozen=True):
    """`wait`: answer when the run has ended, or with `after` when its seq is greater, or when time is over."""

    wait: WaitSeconds = 0.0
    after: AfterSeq | None = None


class RunDoor:
    """Reads runs."""

    def __init__(self, engine: Engine, queries: Queries) -> None:
        self._engine = engine
        self._queries = queries

    async def list(self, request: Request) -> Response:
        query = query_of(request, RunsQuery)
        which = RunFilter(
            workflow=query.workflow,
            states=query.state,
            labels=_labels(query.label),
            parent=query.parent,
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


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for text in texts:
        key, colon, value = text.partition(":")
        if not colon or not key:
            raise InvalidInput.at("label", f"expected key:value, got '{text}'")
        labels[key] = value
    return labels
