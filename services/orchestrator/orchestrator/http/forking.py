"""POST /runs/{id}/fork: a new run that takes over what another has done up to a node, and what it would take over."""

import hashlib
from typing import Annotated, Literal, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.domain.fork import ForkPlan
from orchestrator.engine.fork_views import ForkPreviewView
from orchestrator.engine.port import Engine, ForkPoint, Queries, Registry, Resolved, StartRun
from orchestrator.engine.start_rate import StartRate
from orchestrator.engine.views import RunView
from orchestrator.http.starting import (
    STARTED_BY,
    IdempotencyKey,
    Labels,
    Priority,
    VersionNumber,
    json_of,
    keep_rate,
    refuse_reserved,
)
from penstock.contracts.errors import InvalidInput, Problem
from penstock.definition.diff import Change
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.reading import (
    NoQuery,
    Person,
    body_of,
    expect_media_type,
    project_of,
    query_of,
    run_id_of,
)
from penstock.http.tracing import traceparent_of

_NOT_GIVEN = msgspec.Raw(b"")

NodeName = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Version: TypeAlias = VersionNumber | Literal["latest"] | None


class ForkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`from`: the node to go on from. `version` (a number, or `latest`), `input`, `labels` and `priority` are the
    source's unless given. `preview`: only tell what would happen."""

    from_: NodeName = msgspec.field(name="from")
    version: Version = None
    input: msgspec.Raw = msgspec.field(default_factory=lambda: _NOT_GIVEN)
    idempotency_key: IdempotencyKey | None = None
    priority: Priority | None = None
    labels: Labels | None = None
    by: Person = STARTED_BY
    preview: bool = False


_body = msgspec.json.Decoder(ForkBody)


class ForkDoor:
    """Forks runs."""

    def __init__(self, engine: Engine, queries: Queries, registry: Registry, rate: StartRate) -> None:
        self._rate = rate
        self._engine = engine
        self._queries = queries
        self._registry = registry

    async def fork(self, request: Request) -> Response:
        project, point_run = project_of(request), run_id_of(request)
        query_of(request, NoQuery)
        expect_media_type(request, "application/json")
        body = await body_of(request, _body)
        refuse_reserved(body.idempotency_key)
        source = await self._queries.run(project, point_run)
        if body.preview:
            return json_answer(await self._preview(source, body))
        digest = _digest(source, body) if body.idempotency_key else ""
        if before := await self._forked_before(project, body.idempotency_key, digest):
            return json_answer(before)
        keep_rate(self._rate, project)
        wish = await self._wish(source, body, digest, traceparent_of(request))
        started = await self._engine.start(wish)
        fork = await self._queries.run(project, started.run_id)
        location = {"location": f"/api/v1/runs/{started.run_id}"}
        return json_answer(fork, status=201 if started.created else 200, headers=location)

    async def _preview(self, source: RunView, body: ForkBody) -> ForkPreviewView:
        workflow = await self._resolve(source, body.version)
        self._check_input(workflow, source, body)
        plan = await self._plan(source, body, workflow)
        changes: tuple[Change, ...] = ()
        if workflow.version != source.version:
            found = await self._registry.diff(
                source.project, source.workflow, before=source.version, after=workflow.version
            )
            changes = found.changes
        return ForkPreviewView(
            source_run=source.id,
            workflow=source.workflow,
            source_version=source.version,
            version=workflow.version,
            from_=body.from_,
            reused=plan.reused,
            run_again=plan.run_again,
            changed=changes,
        )

    async def _plan(self, source: RunView, body: ForkBody, workflow: Resolved) -> ForkPlan:
        point = ForkPoint(source.id, body.from_)
        return (await self._engine.preview_fork(source.project, point, version=workflow.version)).plan

    async def _wish(self, source: RunView, body: ForkBody, digest: str, traceparent: str | None) -> StartRun:
        workflow = await self._resolve(source, body.version)
        return StartRun(
            project=source.project,
            workflow=source.workflow,
            version=workflow.version,
            latest=False,
            input=self._check_input(workflow, source, body),
            digest=digest,
            idempotency_key=body.idempotency_key,
            priority=source.priority if body.priority is None else body.priority,
            labels=source.labels if body.labels is None else body.labels,
            by=body.by,
            traceparent=traceparent,
            fork=ForkPoint(source.id, body.from_),
        )

    async def _resolve(self, source: RunView, version: Version) -> Resolved:
        """Raises NotFound (no such version), Conflict (the workflow is not active)."""
        latest = await self._registry.latest(source.project, source.workflow, fresh=True)
        if version == "latest":
            return latest
        return await self._registry.resolve(source.project, source.workflow, version or source.version)

    def _check_input(self, workflow: Resolved, source: RunView, body: ForkBody) -> bytes:
        """The fork's input with defaults filled in; says so when it is the source's that does not fit."""
        given = bytes(body.input)
        try:
            return workflow.check_input(given or bytes(source.input))
        except InvalidInput as error:
            if given:
                raise
            whose = (
                f"the input of run {source.id} does not fit version {workflow.version}: give another `input`"
            )
            raise InvalidInput(whose, error.problems or (Problem("input", error.summary),)) from error

    async def _forked_before(self, project: str, key: str | None, digest: str) -> RunView | None:
        """The run that this very request has started before. Raises Conflict if the key started another."""
        run_id = None if key is None else await self._queries.started(project, key, digest)
        return None if run_id is None else await self._queries.run(project, run_id)


def _digest(source: RunView, body: ForkBody) -> str:
    """What the client asked for, whatever its spacing and the order of its fields."""
    value = json_of(body.input) if bytes(body.input) else None
    asked = (
        str(source.id),
        body.from_,
        body.version,
        bool(bytes(body.input)),
        value,
        body.priority,
        body.labels,
    )
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def fork_endpoints(door: ForkDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/api/v1/runs/{run_id}/fork",
            door.fork,
            "fork_run",
            "Start a new run that goes on from a node of this one",
            {
                201: Answer("The new run; what it took over has succeeded already", RunView),
                200: Answer(
                    "With `preview` what it would do; else the run that the same key and body started before",
                    (ForkPreviewView, RunView),
                ),
            },
            "Takes over the output of each node that succeeded, was not undone, is defined as it was, and neither"
            " is nor needs, also over others, the node `from` or one that is run again. Outputs stay where they"
            " are and are referred to.",
            body=Body(ForkBody, example={"from": "review", "version": "latest", "preview": True}),
            is_rated=True,
            conflicts="The node never ran, the workflow is not active, or the key has started another run",
        ),
    )
