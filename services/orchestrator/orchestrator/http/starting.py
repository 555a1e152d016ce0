"""POST /runs: the hot path of this door. Checked from memory, decided by the engine, answered without a read."""

import hashlib
from datetime import datetime
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.domain.run import RunState
from orchestrator.engine.port import (
    PRIORITY_DEFAULT,
    Engine,
    Queries,
    Registry,
    Resolved,
    Started,
    StartRun,
    Superseded,
)
from orchestrator.engine.start_rate import StartRate
from orchestrator.engine.views import Progress, RunSummary, RunView
from penstock.contracts.errors import Conflict, InvalidInput, NotFound, RateExceeded, Unavailable
from penstock.contracts.limits import REQUEST_BODY_BYTES_MAX
from penstock.contracts.names import RESERVED_KEY_PREFIX, SUBJECT_LABEL
from penstock.contracts.workflow import Json
from penstock.http.endpoint import json_answer
from penstock.http.reading import (
    NoQuery,
    Person,
    decode_body,
    expect_media_type,
    project_of,
    query_of,
    read_body,
)
from penstock.http.tracing import traceparent_of

LABELS_MAX = 50  # they are searched and shown, not a place for data
SUPERSEDED_TRIES_MAX = (
    5  # the workflow was inactive when we started and active when we looked, again and again
)
STARTED_BY = "api"  # who asked, where the request does not say

LabelKey = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00:]+$")]
LabelValue = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00]*$")]
IdempotencyKey = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Priority = Annotated[
    int,
    msgspec.Meta(ge=1, le=9, description="1 is the most urgent, 9 the least; orders the project's own runs"),
]
VersionNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Labels = Annotated[dict[LabelKey, LabelValue], msgspec.Meta(max_length=LABELS_MAX)]


class StartRunBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is needed to start a run; `version` is the latest unless given. `by` says who starts it: a node
    with `no_self_approval` does not take that person's answer."""

    workflow: str
    version: VersionNumber | None = None
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    idempotency_key: IdempotencyKey | None = None
    priority: Priority = PRIORITY_DEFAULT
    labels: Labels = {}
    by: Person = STARTED_BY


_body = msgspec.json.Decoder(StartRunBody)


class StartDoor:
    """Starts runs."""

    def __init__(self, engine: Engine, queries: Queries, registry: Registry, rate: StartRate) -> None:
        self._rate = rate
        self._engine = engine
        self._queries = queries
        self._registry = registry

    async def start(self, request: Request) -> Response:
        project = project_of(request)
        query_of(request, NoQuery)
        expect_media_type(request, "application/json")
        body = decode_body(await read_body(request, bytes_max=REQUEST_BODY_BYTES_MAX), _body)
        refuse_reserved(body.idempotency_key)
        digest = _digest(body) if body.idempotency_key else ""
        try:
            keep_rate(self._rate, project)
            wish, started = await self._start(project, body, digest, traceparent_of(request))
        except (NotFound, Conflict, InvalidInput, RateExceeded):
            # The workflow may have changed since this key started its run: the run is what counts. And to ask
            # for what was started before, is to start nothing.
            if not (view := await self._started_before(project, body, digest)):
                raise
            return json_answer(_without_nodes(view))
        location = {"location": f"/api/v1/runs/{started.run_id}"}
        if started.created and started.state == RunState.RUNNING and started.created_at is not None:
            return json_answer(_summary(wish, started, started.created_at), status=201, headers=location)
        view = await self._queries.run(project, started.run_id)
        return json_answer(_without_nodes(view), status=201 if started.created else 200, headers=location)

    async def _start(
        self, project: str, body: StartRunBody, digest: str, traceparent: str | None
    ) -> tuple[StartRun, Started]:
        """What is latest comes from memory, and the engine tells when memory is old.

        What was read after the request came is new enough, whatever is saved meanwhile.
        """
        for tries in range(SUPERSEDED_TRIES_MAX):
            from_memory = tries == 0
            workflow = await self._resolve(project, body, fresh=not from_memory)
            wish = _wish(project, workflow, body, digest, traceparent, latest=from_memory)
            try:
                return wish, await self._engine.start(wish)
            except Superseded:
                continue
        raise Unavailable(f"workflow '{body.workflow}' is switched on and off all the time")

    async def _resolve(self, project: str, body: StartRunBody, *, fresh: bool) -> Resolved:
        if body.version is None:
            return await self._registry.latest(project, body.workflow, fresh=fresh)
        if fresh:
            await self._registry.latest(project, body.workflow, fresh=True)  # raises if it is not active
        return await self._registry.resolve(project, body.workflow, body.version)

    async def _started_before(self, project: str, body: StartRunBody, digest: str) -> RunView | None:
        """The run that this very request has started before. Raises Conflict if the key started another."""
        if body.idempotency_key is None:
            return None
        run_id = await self._queries.started(project, body.idempotency_key, digest)
        return None if run_id is None else await self._queries.run(project, run_id)


def keep_rate(rate: StartRate, project: str) -> None:
    """Raises RateExceeded."""
    wait_s = rate.seconds_to_wait(project)
    if wait_s > 0:
        message = (
            f"project '{project}' may start {rate.per_second(project)} runs a second: again in {wait_s:.2g} s"
        )
        raise RateExceeded(message, retry_after_s=wait_s)


def refuse_reserved(key: str | None) -> None:
    """A client that took the key of a schedule's tick would keep the tick from its run."""
    if key is not None and key.startswith(RESERVED_KEY_PREFIX):
        message = (
            f"begins with '{RESERVED_KEY_PREFIX}', as only Penstock's own keys do; expected another beginning"
        )
        raise InvalidInput.at("idempotency_key", message)


def _wish(
    project: str,
    workflow: Resolved,
    body: StartRunBody,
    digest: str,
    traceparent: str | None,
    *,
    latest: bool,
) -> StartRun:
    return StartRun(
        project=project,
        workflow=body.workflow,
        version=workflow.version,
        latest=latest and body.version is None,
        input=workflow.check_input(bytes(body.input)),
        digest=digest,
        idempotency_key=body.idempotency_key,
        priority=body.priority,
        labels=body.labels,
        by=body.by,
        traceparent=traceparent,
    )


def _digest(body: StartRunBody) -> str:
    """What the client asked for, whatever its spacing and the order of its fields."""
    asked = (body.workflow, body.version, json_of(body.input), body.priority, body.labels)
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def json_of(input: msgspec.Raw) -> Json:
    """Raises InvalidInput."""
    try:
        return msgspec.json.decode(input)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput.at("input", f"not JSON: {error}") from error


def _summary(wish: StartRun, started: Started, created_at: datetime) -> RunSummary:
    """The run as it was committed, put together from what was asked and answered."""
    return RunSummary(
        id=started.run_id,
        project=wish.project,
        workflow=wish.workflow,
        version=wish.version,
        state=started.state,
        failure=None,
        labels=wish.labels,
        priority=wish.priority,
        created_at=created_at,
        changed_at=created_at,
        ended_at=None,
        deadline_at=started.deadline_at,
        seq=started.seq,
        progress=Progress.of(total=started.nodes_total, open_nodes=started.nodes_open),
        started_by=wish.by,
        subject=wish.labels.get(SUBJECT_LABEL) or None,
        number=started.number,
    )


def _without_nodes(view: RunView) -> RunSummary:
    names = RunSummary.__struct_fields__
    return RunSummary(**{name: getattr(view, name) for name in names})
