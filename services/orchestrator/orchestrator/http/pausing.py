"""Pausing a workflow and letting it go on: all of its runs, and those that are started meanwhile."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Registry, WorkflowPauses
from orchestrator.engine.views import WorkflowView
from orchestrator.http.control import ReasonBody
from penstock.http.endpoint import Answer, Body, Endpoint, Handle, json_answer
from penstock.http.reading import NoQuery, body_of, project_of, query_of

_reason_body = msgspec.json.Decoder(ReasonBody)


class PausingDoor:
    """Each call is idempotent: asked again, it changes nothing and answers the same."""

    def __init__(self, pauses: WorkflowPauses, registry: Registry) -> None:
        self._pauses = pauses
        self._registry = registry

    async def pause(self, request: Request) -> Response:
        return await self._change(request, paused=True)

    async def resume(self, request: Request) -> Response:
        return await self._change(request, paused=False)

    async def _change(self, request: Request, *, paused: bool) -> Response:
        query_of(request, NoQuery)
        project, name = project_of(request), str(request.path_params["name"])
        body = await body_of(request, _reason_body)
        await self._registry.view(project, name, None)  # raises NotFound
        change = self._pauses.pause if paused else self._pauses.resume
        await change(project, name, by=body.by, reason=body.reason)
        return json_answer(await self._registry.view(project, name, None))


def pausing_endpoints(door: PausingDoor) -> tuple[Endpoint, ...]:
    return (
        _endpoint(
            "pause",
            door.pause,
            "Pause a workflow with all of its runs",
            "Open runs are paused, and runs that are started meanwhile are accepted and paused at once: nothing of"
            " it starts until it is resumed. What runs goes on to its end. Sub-workflows are workflows of their own.",
        ),
        _endpoint(
            "resume",
            door.resume,
            "Let a paused workflow go on",
            "Exactly those of its runs go on that were paused with it; one that a person or a failure had paused"
            " stays so.",
        ),
    )


def _endpoint(verb: str, handle: Handle, summary: str, description: str) -> Endpoint:
    return Endpoint(
        "POST",
        f"/api/v1/workflows/{{name}}/{verb}",
        handle,
        f"{verb}_workflow",
        summary,
        {200: Answer("The workflow, and who paused and resumed it when and why", WorkflowView)},
        description,
        body=Body(ReasonBody, example={"by": "ada", "reason": "the provider is down"}, required=False),
    )
