"""Which requests have a span, and what is above and below it."""

from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from penstock.http.app import build_app
from penstock.http.endpoint import Answer, Endpoint, json_answer
from penstock.http.openapi import Page
from penstock.http.tracing import traceparent_of
from penstock.telemetry.tracing import Tracing, open_tracing
from tests.otlp import CollectedSpan, Collector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PAGE = Page("Tested", "1", "", {}, lambda path: "", {}, lambda path: False)
SAMPLED = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


async def _tell(request: Request) -> Response:
    return json_answer({"below": traceparent_of(request)})


async def _break(_: Request) -> Response:
    raise RuntimeError("a secret of ours")


def _endpoint(method: str, path: str, name: str) -> Endpoint:
    handle = _break if name == "break" else _tell
    return Endpoint(method, path, handle, name, name, {200: Answer("told", dict)})


async def asked(
    collector: Collector, method: str, path: str, headers: dict[str, str], *, ratio: str = "1"
) -> tuple[httpx.Response, list[CollectedSpan]]:
    """The answer, and the spans that were sent."""
    tracing = _opened(collector, ratio)
    endpoints = [
        _endpoint("GET", "/things/{name}", "get_thing"),
        _endpoint("POST", "/things/{name}", "post_thing"),
        _endpoint("POST", "/broken", "break"),
    ]
    app = build_app(endpoints, PAGE, tracing)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tested") as client:
        answer = await client.request(method, path, headers=headers)
    tracing.close()
    return answer, collector.spans


def _opened(collector: Collector, ratio: str) -> Tracing:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": ratio}
    return open_tracing("orchestrator", instance="one", environment=environment)


async def test_a_call_that_changes_something_begins_a_trace(collector: Collector) -> None:
    answer, (span,) = await asked(collector, "POST", "/things/one", {})

    assert (span.name, span.kind, span.parent) == ("POST /things/{name}", "SERVER", "")
    assert answer.json()["below"][3:52] == f"{span.trace}-{span.id}"
    assert span.attributes["http.response.status_code"] == 200


async def test_a_call_that_only_reads_begins_none(collector: Collector) -> None:
    answer, spans = await asked(collector, "GET", "/things/one", {})

    assert (answer.json()["below"], spans) == (None, [])


async def test_a_read_that_belongs_to_a_trace_has_its_span(collector: Collector) -> None:
    _, (span,) = await asked(collector, "GET", "/things/one", {"traceparent": SAMPLED}, ratio="0")

    assert (span.name, span.trace, span.parent) == ("GET /things/{name}", TRACE, SPAN)


async def test_a_header_that_is_none_begins_a_trace_of_our_own(collector: Collector) -> None:
    _, (span,) = await asked(collector, "POST", "/things/one", {"traceparent": "00-nonsense"})

    assert (span.parent, span.trace != TRACE) == ("", True)


async def test_an_error_of_ours_is_one_in_the_trace_without_its_text(collector: Collector) -> None:
    answer, (span,) = await asked(collector, "POST", "/broken", {})

    assert (answer.status_code, span.error) == (500, "status 500")
    assert span.attributes["penstock.request"] == answer.headers["x-request-id"]


async def test_paths_that_are_none_do_not_make_names(collector: Collector) -> None:
    _, (span,) = await asked(collector, "POST", "/made/up", {})

    assert (span.name, span.error) == ("unmatched", None)
