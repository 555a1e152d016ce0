"""Stores: save what a pack declares, list them, read their rows, put or delete one by hand."""

import re
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.engine.store_port import Stores
from orchestrator.engine.store_views import RowsPage, RowView, StoresView, StoreView
from orchestrator.http.starting import STARTED_BY
from orchestrator.http.workflows import JSON, YAML, definition_text
from penstock.contracts.errors import InvalidInput, NotFound, Problem
from penstock.contracts.names import is_name
from penstock.contracts.store_messages import KEY, StoreQuery
from penstock.contracts.workflow import Json
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.reading import NoQuery, PageLimit, Person, body_of, project_of, query_of

CONDITION = re.compile(r"(?s)([^=<>^]{1,200}?)(<=|>=|\^=|=|<|>)(.*)")
_EXPECTED = "expected FIELD=VALUE, or FIELD with one of <, <=, >, >=, ^= (begins with) and a value"

_EXAMPLE = """\
name: worklog
tables:
  entries:
    row: {type: object, required: [user, day], properties: {user: {type: string}, day: {type: string, format: date}}}
"""


class RowsQuery(msgspec.Struct, frozen=True):
    """`where`: `user=ada`, `day>=2026-01-01`, `name^=Ad`; may be repeated. A value is JSON if it can be, else text."""

    where: tuple[Annotated[str, msgspec.Meta(max_length=2_000)], ...] = ()
    order: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = KEY
    descending: bool = False
    limit: PageLimit = 50
    cursor: Annotated[str, msgspec.Meta(max_length=5_000)] | None = None


class PutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version`: only if the row still has it."""

    value: Any
    by: Person = STARTED_BY
    version: int | None = None


class DeleteQuery(msgspec.Struct, frozen=True):
    """Who deletes it; kept in the log."""

    by: Person = STARTED_BY


_put_body = msgspec.json.Decoder(PutBody)


class StoreDoor:
    """Asks whoever keeps stores."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def save(self, request: Request) -> Response:
        query_of(request, NoQuery)
        text = await definition_text(request)
        saved = await self._stores.save(project_of(request), _store_of(request), text)
        return json_answer(saved.store, status=201 if saved.created else 200)

    async def list(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._stores.list(project_of(request)))

    async def get(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._stores.view(project_of(request), _store_of(request)))

    async def rows(self, request: Request) -> Response:
        query = query_of(request, RowsQuery)
        store, table = _store_of(request), request.path_params["table"]
        asked = StoreQuery(
            table,
            where=_where(query.where),
            order=query.order,
            descending=query.descending,
            limit=query.limit,
            cursor=query.cursor,
        )
        return json_answer(await self._stores.rows(project_of(request), store, asked))

    async def row(self, request: Request) -> Response:
        query_of(request, NoQuery)
        return json_answer(await self._stores.row(project_of(request), *_row_of(request)))

    async def put(self, request: Request) -> Response:
        query_of(request, NoQuery)
        body = await body_of(request, _put_body)
        row = await self._stores.put(
            project_of(request), *_row_of(request), body.value, by=body.by, version=body.version
        )
        return json_answer(row)

    async def delete(self, request: Request) -> Response:
        query = query_of(request, DeleteQuery)
        await self._stores.delete(project_of(request), *_row_of(request), by=query.by)
        return Response(status_code=204)


def _store_of(request: Request) -> str:
    """Raises NotFound for what cannot be the name of a store."""
    name: str = request.path_params["store"]
    if not is_name(name):
        raise NotFound("store", name)
    return name


def _row_of(request: Request) -> tuple[str, str, str]:
    given = request.path_params
    return _store_of(request), given["table"], given["key"]


def _where(texts: tuple[str, ...]) -> dict[str, Json]:
    """Conditions as a question has them; raises InvalidInput with every text that is none."""
    found: dict[str, dict[str, Json]] = {}
    problems: list[Problem] = []
    for text in texts:
        match = CONDITION.fullmatch(text)
        if match is None:
            problems.append(Problem("where", f"{_EXPECTED}; got '{text[:60]}'"))
            continue
        field, comparison, value = match[1].strip(), match[2], _value(match[3])
        name = "prefix" if comparison == "^=" else "in" if isinstance(value, list) else comparison
        found.setdefault(field, {})[name] = match[3] if name == "prefix" else value
    if problems:
        raise InvalidInput(f"the query is wrong: where: {problems[0].message}", tuple(problems))
    return dict(found)


def _value(text: str) -> Json:
    """`3`, `true`, `null` and `"3"` are JSON; what is none is text as it stands."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return text


def store_endpoints(door: StoreDoor) -> tuple[Endpoint, ...]:
    return (*_definition_endpoints(door), *_row_endpoints(door))


def _definition_endpoints(door: StoreDoor) -> tuple[Endpoint, ...]:
    one = "/api/v1/stores/{store}"
    return (
        Endpoint(
            "GET",
            "/api/v1/stores",
            door.list,
            "list_stores",
            "List stores by name",
            {200: Answer("All of the project", StoresView)},
        ),
        Endpoint(
            "PUT",
            one,
            door.save,
            "save_store",
            "Save what a pack declares as its store",
            {201: Answer("A new store", StoreView), 200: Answer("It was there", StoreView)},
            "Rows that are there must fit a changed schema; the first ones that do not are listed. A table that"
            " has rows cannot be left out.",
            body=Body({"type": "string", "description": "A store.yaml"}, (YAML[0], *JSON), example=_EXAMPLE),
        ),
        Endpoint(
            "GET",
            one,
            door.get,
            "get_store",
            "One store with its tables",
            {200: Answer("The store", StoreView)},
        ),
    )


def _row_endpoints(door: StoreDoor) -> tuple[Endpoint, ...]:
    table = "/api/v1/stores/{store}/{table}"
    row = f"{table}/{{key:path}}"
    return (
        Endpoint(
            "GET",
            table,
            door.rows,
            "list_rows",
            "Rows of a table",
            {200: Answer("A page of rows, and who wrote each of them last", RowsPage)},
            "`where` may be repeated, and all must hold: `user=ada`, `day>=2026-01-01`, `size<3`, `name^=Ad`,"
            ' `user=["ada","bob"]`. A value is JSON if it can be, else text; `"3"` is a text. `$key` is the key.',
            query=RowsQuery,
        ),
        Endpoint("GET", row, door.row, "get_row", "One row", {200: Answer("The row", RowView)}),
        Endpoint(
            "PUT",
            row,
            door.put,
            "put_row",
            "Put a row by hand",
            {200: Answer("The row as it is now", RowView)},
            "It must fit the table's schema. Who did it stands in the row and in the log.",
            body=Body(PutBody, example={"value": {"user": "ada", "day": "2026-01-31"}, "by": "ada"}),
            conflicts="The row has another version",
        ),
        Endpoint(
            "DELETE",
            row,
            door.delete,
            "delete_row",
            "Delete a row by hand",
            {204: Answer("It is gone", media_type="")},
            query=DeleteQuery,
        ),
    )
