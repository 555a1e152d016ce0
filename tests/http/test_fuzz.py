"""Whatever a client sends, it gets an answer below 500, and a problem document when it is refused."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.builders import GREET, START, YAML

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
BATCH = 25  # requests that one example sends: the servers are started once for each test

AWKWARD = [
    "1",
    "-1",
    "0",
    "null",
    "NaN",
    "1e9",
    str(2**70),
    "a:b",
    "greet",
    "\x00",
    "a:\x00",
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
fields = st.sampled_from(
    ["workflow", "version", "input", "idempotency_key", "priority", "labels", "reason", "x"]
)
text_maps = st.dictionaries(texts, texts, max_size=2)
# A good body with a few fields spoilt: random bodies would all fail at the first check.
bodies = st.dictionaries(fields, texts | text_maps | json_values, max_size=2).map(
    lambda spoilt: START | spoilt
)
parameters = st.sampled_from(
    [
        "limit",
        "cursor",
        "after",
        "wait",
        "state",
        "label",
        "after_time",
        "attempt",
        "workflow",
        "since",
        "active",
    ]
)
queries = st.lists(st.tuples(parameters, texts), min_size=1, max_size=2).map(
    lambda pairs: "&".join(f"{name}={quote(text, safe='')}" for name, text in pairs if name != "wait")
)
segments = st.sampled_from(
    ["runs", "workflows", "agents", "statistics", "artifacts", "events", "nodes", "logs"]
)
paths = st.lists(segments | texts.map(lambda text: quote(text, safe="")), min_size=1, max_size=5).map(
    "/".join
)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])


async def answered(answer: httpx.Response) -> None:
    request = answer.request
    assert answer.status_code < 500, f"{request.method} {request.url} {request.content!r}: {answer.text}"
    assert answer.headers["x-request-id"]
    if answer.status_code >= 400 and request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"


async def test_no_body_breaks_the_start_of_a_run(greet: httpx.AsyncClient) -> None:
    async def send(batch: list[dict[str, Any]]) -> None:
        for body in batch:
            await answered(await greet.post("/runs", content=msgspec.json.encode(body)))

    await _fuzz(st.lists(bodies, min_size=10, max_size=BATCH), send)


async def test_no_bytes_break_the_start_of_a_run(greet: httpx.AsyncClient) -> None:
    async def send(batch: list[bytes]) -> None:
        for raw in batch:
            await answered(await greet.post("/runs", content=b'{"workflow": "greet", "input": ' + raw + b"}"))
            await answered(await greet.post("/runs", content=raw))

    await _fuzz(st.lists(st.binary(max_size=40), min_size=1, max_size=BATCH), send)


async def test_no_query_breaks_a_list(greet: httpx.AsyncClient) -> None:
    run_id = (await greet.post("/runs", json=START)).json()["id"]

    async def send(batch: list[str]) -> None:
        for query in batch:
            run = f"/runs/{run_id}"
            for path in (
                "/runs",
                run,
                f"{run}/events",
                f"{run}/nodes/hello/logs",
                "/workflows",
                "/statistics",
            ):
                await answered(await greet.get(f"{path}?{query}"))

    await _fuzz(st.lists(queries, min_size=10, max_size=BATCH), send)


async def test_no_path_breaks_the_application(greet: httpx.AsyncClient) -> None:
    async def send(batch: list[tuple[str, str]]) -> None:
        for method, path in batch:
            await answered(await greet.request(method, f"http://penstock/api/v1/{path}"))

    await _fuzz(st.lists(st.tuples(methods, paths), min_size=1, max_size=BATCH), send)


async def test_no_definition_breaks_the_registry(greet: httpx.AsyncClient) -> None:
    lines = GREET.splitlines()

    async def send(batch: list[tuple[int, str]]) -> None:
        for place, text in batch:
            broken = "\n".join([*lines[:place], text, *lines[place + 1 :]])
            content = broken.encode("utf-8", "surrogatepass")
            await answered(await greet.post("/workflows", content=content, headers=YAML))

    words = st.text(max_size=30) | st.sampled_from(
        ["nodes:", "  hello: []", "inputs: 7", "name: [", "timeout: 1e9h"]
    )
    await _fuzz(st.lists(st.tuples(st.integers(0, len(lines) - 1), words), min_size=1, max_size=10), send)


async def _fuzz(strategy: st.SearchStrategy[Any], send: Any) -> None:
    """Hypothesis is synchronous: it runs in a thread and hands each example to this loop."""
    loop = asyncio.get_running_loop()

    @FUZZ
    @given(strategy)
    def examples(batch: Any) -> None:
        asyncio.run_coroutine_threadsafe(send(batch), loop).result()

    await asyncio.to_thread(examples)
