"""Whatever a client sends, it gets an answer below 500, and a problem document when it is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.http.builders import GREET, START, YAML

E = TypeVar("E")

# Not shrunk: an example is small, and each step would be a request. What failed is printed as it is.
FUZZ = settings(
    max_examples=300,
    deadline=None,
    phases=(Phase.generate,),
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)

NUL = "\x00"
AWKWARD = [
    NUL,
    f"a:{NUL}",
    "null",
    "NaN",
    "1e9",
    "-1",
    "0",
    str(2**70),
    "a:b",
    "greet",
    "\uffff",
    "%",
    "..",
    "",
]
texts = st.sampled_from(AWKWARD) | st.text(max_size=20)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
text_maps = st.dictionaries(texts, texts, min_size=1, max_size=2)


def one_of_fields(**kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Any]]:
    """A field with a value that is nearly of its kind."""
    return st.one_of(*(st.tuples(st.just(name), kind) for name, kind in kinds.items()))


# A good request with one thing spoilt: random ones would all fail at the first check.
bodies = one_of_fields(
    workflow=texts,
    version=st.integers() | json_values,
    input=json_values,
    idempotency_key=texts,
    priority=st.integers() | texts,
    labels=text_maps | json_values,
    unknown=json_values,
).map(lambda spoilt: START | dict([spoilt]))
numbers = st.integers().map(str) | texts
parameters = one_of_fields(
    limit=numbers,
    cursor=texts,
    after=numbers,
    state=texts | st.just("failed"),
    label=texts.map("a:".__add__) | texts,
    after_time=st.datetimes().map(lambda moment: f"{moment.isoformat()}+14:00") | texts,
    since=st.datetimes().map(lambda moment: f"{moment.isoformat()}-14:00") | texts,
    attempt=numbers,
    workflow=texts,
    active=texts,
)
segments = st.sampled_from(
    ["runs", "workflows", "schedules", "artifacts", "events", "nodes", "logs", "versions", "greet"]
)
paths = st.lists(segments | texts.map(lambda text: quote(text, safe="")), min_size=1, max_size=5)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
lines = GREET.splitlines()
broken_lines = st.tuples(
    st.integers(0, len(lines) - 1),
    texts
    | st.sampled_from(["nodes:", "  hello: []", "inputs: 7", "name: [", "timeout: 1e9h", "? a", "<<: *a"]),
)


async def test_no_body_breaks_the_start_of_a_run(greet: httpx.AsyncClient) -> None:
    async def send(body: dict[str, Any]) -> None:
        expect_answer(await greet.post("/runs", content=msgspec.json.encode(body)))

    await fuzz(bodies, send)


async def test_no_bytes_break_the_start_of_a_run(greet: httpx.AsyncClient) -> None:
    async def send(raw: bytes) -> None:
        expect_answer(await greet.post("/runs", content=raw))
        expect_answer(await greet.post("/runs", content=b'{"workflow": "greet", "input": ' + raw + b"}"))

    await fuzz(st.binary(max_size=40), send)


async def test_no_query_breaks_a_read(greet: httpx.AsyncClient) -> None:
    run = f"/runs/{(await greet.post('/runs', json=START)).json()['id']}"
    readers = (
        "/runs",
        run,
        f"{run}/events",
        f"{run}/nodes/hello/logs",
        "/workflows",
        "/schedules",
        "/statistics",
    )

    async def send(parameter: tuple[str, str]) -> None:
        query = f"{parameter[0]}={quote(parameter[1], safe='')}"
        for path in readers:
            expect_answer(await greet.get(f"{path}?{query}"))

    await fuzz(parameters, send)


async def test_no_path_breaks_the_application(greet: httpx.AsyncClient) -> None:
    async def send(request: tuple[str, list[str]]) -> None:
        method, parts = request
        expect_answer(await greet.request(method, f"http://penstock/api/v1/{'/'.join(parts)}"))

    await fuzz(st.tuples(methods, paths), send)


async def test_no_definition_breaks_the_registry(greet: httpx.AsyncClient) -> None:
    async def send(broken: tuple[int, str]) -> None:
        place, text = broken
        content = "\n".join([*lines[:place], text, *lines[place + 1 :]])
        expect_answer(await greet.post("/workflows", content=content, headers=YAML))
        expect_answer(await greet.get("/workflows/greet"))

    await fuzz(broken_lines, send)


def expect_answer(answer: httpx.Response) -> None:
    request = answer.request
    assert answer.status_code < 500, f"{request.method} {request.url} {request.content!r}: {answer.text}"
    assert answer.headers["x-request-id"]
    if answer.status_code >= 400 and request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"


async def fuzz(strategy: st.SearchStrategy[E], send: Callable[[E], Awaitable[None]]) -> None:
    """Hypothesis is synchronous: it runs in a thread and hands each example to this loop."""
    loop = asyncio.get_running_loop()

    async def sent(example: E) -> None:
        await send(example)

    @FUZZ
    @given(strategy)
    def examples(example: E) -> None:
        asyncio.run_coroutine_threadsafe(sent(example), loop).result()

    await asyncio.to_thread(examples)
