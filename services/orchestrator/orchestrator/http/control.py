"""What people do to a run: cancel, pause, resume, retry, undo, and answer what its nodes ask."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.port import Engine, Outcome, Queries
from orchestrator.engine.views import RunView
from orchestrator.engine.wishes import (
    Answered,
    CancelRequested,
    CompensateRequested,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunWish,
    SkipRequested,
)
from orchestrator.http.starting import STARTED_BY
from penstock.contracts.errors import Conflict
from penstock.contracts.workflow import Json
from penstock.http.endpoint import json_answer
from penstock.http.reading import NoQuery, Person, Words, body_of, project_of, query_of, run_id_of

B = TypeVar("B", bound=msgspec.Struct)

_TAKEN = (Outcome.APPLIED, Outcome.REPEATED)


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks, and why; both stand in the timeline."""

    reason: Words = ""
    by: Person = STARTED_BY


class ByBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks; it stands in the timeline."""

    by: Person = STARTED_BY


class SkipBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`node`: only this one (`charge` or `patch[17]`); left out: all whose undoing failed."""

    node: Words | None = None
    by: Person = STARTED_BY


class RejectBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers, and why. `question`: the key of that question of the node's agent which is meant; then an
    answer that comes late or twice cannot be taken for one to the next question."""

    by: Person
    comment: Words = ""
    question: Words | None = None


class ApproveBody(RejectBody, frozen=True, forbid_unknown_fields=True):
    """`fields` fit the question's form; the node's output has them."""

    fields: dict[str, Json] = {}


_reason_body = msgspec.json.Decoder(ReasonBody)
_by_body = msgspec.json.Decoder(ByBody)
_skip_body = msgspec.json.Decoder(SkipBody)
_approve_body = msgspec.json.Decoder(ApproveBody)
_reject_body = msgspec.json.Decoder(RejectBody)


class ControlDoor:
    """Each call is idempotent: asked again, it changes nothing and answers the same."""

    def __init__(self, engine: Engine, queries: Queries) -> None:
        self._engine = engine
        self._queries = queries

    async def cancel(self, request: Request) -> Response:
        def wish(body: ReasonBody) -> RunWish:
            return CancelRequested(by=body.by, reason=body.reason)

        rule = "only a run that has not ended and is not being undone can be cancelled"
        return await self._control(request, _reason_body, wish, rule)

    async def pause(self, request: Request) -> Response:
        def wish(body: ReasonBody) -> RunWish:
            return PauseRequested(by=body.by, reason=body.reason)

        return await self._control(request, _reason_body, wish, "only a running run can be paused")

    async def resume(self, request: Request) -> Response:
        def wish(body: ByBody) -> RunWish:
            return ResumeRequested(by=body.by)

        return await self._control(request, _by_body, wish, "only a paused run can be resumed")

    async def retry(self, request: Request) -> Response:
        def wish(body: ByBody) -> RunWish:
            return RetryRequested(by=body.by)

        rule = "only a failed, cancelled or paused run can be retried"
        return await self._control(request, _by_body, wish, rule)

    async def compensate(self, request: Request) -> Response:
        def wish(body: ReasonBody) -> RunWish:
            return CompensateRequested(by=body.by, reason=body.reason)

        rule = "only a run that has ended can be undone"
        return await self._control(request, _reason_body, wish, rule)

    async def skip(self, request: Request) -> Response:
        def wish(body: SkipBody) -> RunWish:
            return SkipRequested(by=body.by, node=body.node)

        rule = "only in a run that is paused because something could not be undone is there anything to skip"
        return await self._control(request, _skip_body, wish, rule)

    async def approve(self, request: Request) -> Response:
        query_of(request, NoQuery)
        body = await body_of(request, _approve_body)
        node: str = request.path_params["node"]
        answer = Answered(node, True, body.by, body.comment, body.fields, body.question)
        return await self._answer(request, answer)

    async def reject(self, request: Request) -> Response:
        query_of(request, NoQuery)
        body = await body_of(request, _reject_body)
        node: str = request.path_params["node"]
        answer = Answered(node, False, body.by, body.comment, question=body.question)
        return await self._answer(request, answer)

    async def _control(
        self,
        request: Request,
        decoder: msgspec.json.Decoder[B],
        wish: Callable[[B], RunWish],
        rule: str,
    ) -> Response:
        project, run_id = project_of(request), run_id_of(request)
        query_of(request, NoQuery)
        body = await body_of(request, decoder)
        outcome = await self._engine.control(project, run_id, wish(body))
        view = await self._queries.run(project, run_id)
        return _accepted(view, outcome, otherwise=f"the run is {view.state}; {rule}")

    async def _answer(self, request: Request, answer: Answered) -> Response:
        project, run_id = project_of(request), run_id_of(request)
        outcome = await self._engine.answer(project, run_id, answer)
        view = await self._queries.run(project, run_id)
        if outcome in _TAKEN:
            return json_answer(view, status=202)
        state = (await self._queries.node(project, run_id, answer.node)).state
        refused = f"the run is {view.state} and node '{answer.node}' is {state}; only one that is suspended"
        raise Conflict(f"{refused} waits for an answer")


def _accepted(view: RunView, outcome: Outcome, *, otherwise: str) -> Response:
    if outcome in _TAKEN:
        return json_answer(view, status=202)
    raise Conflict(otherwise)
