"""Budgets: what is spent and what is left, the project's limits, and raising a run's."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.budget_views import Budgets, BudgetsView, BudgetView
from orchestrator.http.starting import STARTED_BY
from penstock.contracts.budget import DOLLARS_MAX, TOKENS_MAX, Allowance, BudgetDefinition, OnSpent
from penstock.contracts.errors import InvalidInput
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.reading import NoQuery, Person, Words, body_of, project_of, query_of, run_id_of

DollarsBody = Annotated[float, msgspec.Meta(ge=0, le=DOLLARS_MAX)]
TokensBody = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class BudgetsQuery(msgspec.Struct, frozen=True):
    """Of one workflow, or of one run; on that day (UTC), else today."""

    workflow: str | None = None
    run: UUID | None = None
    day: date | None = None


class AllowanceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most this much; at least one of both."""

    dollars: DollarsBody | None = None
    tokens: TokensBody | None = None


class ProjectBudgetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`day`: all runs of the project in a day of UTC; `total`: all of them for ever. One that is left out is unset."""

    day: AllowanceBody | None = None
    total: AllowanceBody | None = None
    on_limit: OnSpent = OnSpent.FAIL
    by: Person = STARTED_BY
    reason: Words = ""


class ClearQuery(msgspec.Struct, frozen=True):
    """Who clears it and why; kept for the audit."""

    by: Person = STARTED_BY
    reason: Words = ""


class RaiseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to the limit; asked again, it is added again."""

    dollars: DollarsBody | None = None
    tokens: TokensBody | None = None
    by: Person = STARTED_BY
    reason: Words = ""


_project_body = msgspec.json.Decoder(ProjectBudgetBody)
_raise_body = msgspec.json.Decoder(RaiseBody)


class BudgetDoor:
    """Shows budgets, and asks for their changes."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    async def list(self, request: Request) -> Response:
        query = query_of(request, BudgetsQuery)
        shown = await self._budgets.list(
            project_of(request), workflow=query.workflow, run=query.run, day=query.day
        )
        return json_answer(shown)

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._budgets.of_project(project_of(request)))

    async def set(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project = project_of(request)
        body = await body_of(request, _project_body)
        if body.day is None and body.total is None:
            raise InvalidInput.at("", "a budget is of something: expected `day` or `total`")
        budget = BudgetDefinition(
            day=_allowance("day", body.day), total=_allowance("total", body.total), on_limit=body.on_limit
        )
        await self._budgets.set(project, budget, by=body.by, reason=body.reason)
        return json_answer(await self._budgets.of_project(project))

    async def clear(self, request: Request) -> Response:
        query = query_of(request, ClearQuery)
        await self._budgets.clear(project_of(request), by=query.by, reason=query.reason)
        return Response(status_code=204)

    async def raise_run(self, request: Request) -> Response:
        query_of(request, NoQuery)
        project, run = project_of(request), run_id_of(request)
        body = await body_of(request, _raise_body)
        if not body.dollars and not body.tokens:
            raise InvalidInput.at("dollars", "expected `dollars` or `tokens` to add, more than 0")
        added = Allowance(body.dollars, body.tokens)
        return json_answer(await self._budgets.raise_run(project, run, added, by=body.by, reason=body.reason))


def _allowance(path: str, body: AllowanceBody | None) -> Allowance | None:
    if body is None:
        return None
    if body.dollars is None and body.tokens is None:
        raise InvalidInput.at(path, "nothing is limited: expected `dollars`, `tokens` or both")
    return Allowance(body.dollars, body.tokens)


def budget_endpoints(door: BudgetDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/api/v1/budgets",
            door.list,
            "list_budgets",
            "What is spent, reserved and left",
            {200: Answer("Accounts of the project, its workflows and its open runs", BudgetsView)},
            "Calls of models count also where nobody limits them: then `limit` and `left` are null.",
            query=BudgetsQuery,
        ),
        *_project_endpoints(door),
        Endpoint(
            "POST",
            "/api/v1/runs/{run_id}/budget",
            door.raise_run,
            "raise_run_budget",
            "Raise a run's budget",
            {200: Answer("The budget after the change", BudgetView)},
            "Of the run, or of the nearest run that started it as a sub-workflow and has a budget. Forks share the"
            " budget of the run that they were forked from. A paused run goes on when it is resumed.",
            body=Body(RaiseBody, example={"dollars": 5, "by": "ada", "reason": "it is worth it"}),
            conflicts="The run has no budget in that unit",
        ),
    )


def _project_endpoints(door: BudgetDoor) -> tuple[Endpoint, ...]:
    of_project = "/api/v1/budgets/project"
    example = {"day": {"dollars": 20}, "on_limit": "pause", "by": "ada"}
    return (
        Endpoint(
            "GET",
            of_project,
            door.get,
            "get_project_budget",
            "The budget of the project",
            {200: Answer("As it was set", BudgetDefinition)},
        ),
        Endpoint(
            "PUT",
            of_project,
            door.set,
            "set_project_budget",
            "Set the budget of the project",
            {200: Answer("The budget", BudgetDefinition)},
            "It takes the place of what was set before, and counts from the next call of a model on.",
            body=Body(ProjectBudgetBody, example=example),
        ),
        Endpoint(
            "DELETE",
            of_project,
            door.clear,
            "clear_project_budget",
            "Clear the budget of the project",
            {204: Answer("It is gone", media_type="")},
            query=ClearQuery,
        ),
    )
