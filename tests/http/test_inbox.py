"""Events from other systems over HTTP: three modes, each event once, and what is wrong is named."""

from typing import Any

import httpx
import msgspec
import pytest

from penstock.contracts.limits import INBOUND_EVENT_BYTES_MAX, REQUEST_BODY_BYTES_MAX

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
PAID: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "shop.order.paid"}
BINARY = {f"ce-{name}": value for name, value in PAID.items()}


async def send(api: httpx.AsyncClient, event: dict[str, Any]) -> httpx.Response:
    return await api.post("/events", content=msgspec.json.encode(event), headers=STRUCTURED)


async def kept(api: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await api.get(f"/events?{query}")).json()["items"]
    return items


def problems_of(answer: httpx.Response) -> dict[str, str]:
    return {error["path"]: error["message"] for error in answer.json()["errors"]}


async def test_a_structured_event_is_kept_with_all_that_was_sent(api: httpx.AsyncClient) -> None:
    more = {
        "subject": "order 17",
        "time": "2026-11-21T10:30:00.123456789+01:00",
        "datacontenttype": "application/json",
        "data": {"order": 17, "text": "nul \x00"},
        "partition": 7,
    }

    answer = await send(api, PAID | more)
    (event,) = await kept(api)

    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "repeated": 0})
    assert (event["id"], event["source"], event["type"]) == ("1", "/shop", "shop.order.paid")
    assert (event["subject"], event["data"]) == ("order 17", more["data"])
    assert event["time"].startswith("2026-11-21T09:30:00.12345")
    assert event["attributes"] == {"datacontenttype": "application/json", "partition": 7}


async def test_a_binary_event_has_its_attributes_in_headers(api: httpx.AsyncClient) -> None:
    headers = BINARY | {"ce-subject": "caf%C3%A9", "ce-region": "eu", "content-type": "application/json"}

    answer = await api.post("/events", content=b'{"order": 17}', headers=headers)
    (event,) = await kept(api)

    assert answer.status_code == 202
    assert (event["subject"], event["data"]) == ("café", {"order": 17})
    assert event["attributes"] == {"region": "eu", "datacontenttype": "application/json"}


async def test_an_event_belongs_to_its_own_trace_or_to_that_of_its_request(api: httpx.AsyncClient) -> None:
    own, request = (f"00-{'a' * 31}{digit}-{'b' * 16}-01" for digit in (1, 2))
    batch = msgspec.json.encode([PAID, PAID | {"id": "2", "traceparent": own}])

    await api.post("/events", content=batch, headers=BATCH | {"traceparent": request})

    traces = {event["id"]: event["attributes"]["traceparent"] for event in await kept(api)}
    assert traces == {"1": request, "2": own}


@pytest.mark.parametrize(
    ("content_type", "body", "data", "attributes"),
    [
        ("text/plain", b"hello", "hello", {"datacontenttype": "text/plain"}),
        (
            "image/png",
            b"\x89PNG",
            None,
            {"datacontenttype": "image/png", "data_base64": "iVBORw=="},
        ),
        ("application/vnd.github+json", b"[1]", [1], {"datacontenttype": "application/vnd.github+json"}),
        (None, b"", None, {}),
    ],
)
async def test_the_body_of_a_binary_event_is_json_text_or_bytes(
    api: httpx.AsyncClient, content_type: str | None, body: bytes, data: Any, attributes: dict[str, str]
) -> None:
    headers = BINARY | ({"content-type": content_type} if content_type else {})

    answer = await api.post("/events", content=body, headers=headers)
    (event,) = await kept(api)

    assert answer.status_code == 202, answer.text
    assert (event["data"], event["attributes"]) == (data, attributes)


async def test_the_same_source_and_id_count_once(api: httpx.AsyncClient) -> None:
    events = [PAID, PAID | {"id": "2"}, PAID | {"id": "2", "data": "other"}, PAID | {"source": "/bank"}]

    first = await send(api, PAID)
    batch = await api.post("/events", content=msgspec.json.encode(events), headers=BATCH)
    other_project = await api.post(
        "/events", content=msgspec.json.encode(PAID), headers=STRUCTURED | {"X-Penstock-Project": "blue"}
    )

    assert first.json() == {"accepted": 1, "repeated": 0}
    assert (batch.status_code, batch.json()) == (202, {"accepted": 2, "repeated": 2})
    assert other_project.json() == {"accepted": 1, "repeated": 0}
    assert [(event["source"], event["id"], event["data"]) for event in await kept(api)] == [
        ("/bank", "1", None),
        ("/shop", "2", None),
        ("/shop", "1", None),
    ]


async def test_events_are_listed_newest_first_by_type_and_source_in_pages(api: httpx.AsyncClient) -> None:
    events = [PAID | {"id": str(n), "type": "even" if n % 2 == 0 else "odd"} for n in range(7)]
    await api.post("/events", content=msgspec.json.encode(events), headers=BATCH)

    page = (await api.get("/events?limit=2&type=even")).json()
    rest = (await api.get(f"/events?limit=2&type=even&cursor={page['next']}")).json()

    assert [event["id"] for event in page["items"] + rest["items"]] == ["6", "4", "2", "0"]
    assert rest["next"] is None
    assert await kept(api, "source=/nobody") == []


async def test_large_data_is_left_out_of_the_list(api: httpx.AsyncClient) -> None:
    await send(api, PAID | {"data": "x" * 50_000})

    (event,) = await kept(api)

    assert (event["data"], event["data_bytes"]) == (None, 50_002)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"specversion": "0.3"}, "specversion", 'expected "1.0"'),
    ({"specversion": None}, "specversion", "is missing"),
    ({"id": ""}, "id", "not empty"),
    ({"id": 7}, "id", "expected a text"),
    ({"id": "x" * 256}, "id", "at most 255"),
    ({"id": "a\x00"}, "id", "control characters"),
    ({"type": ["a"]}, "type", "expected a text"),
    ({"source": "not a uri"}, "source", "URI reference"),
    ({"dataschema": "/relative"}, "dataschema", "a URI"),
    ({"subject": ""}, "subject", "not empty"),
    ({"time": "yesterday"}, "time", "2026-11-21T09:30:00Z"),
    ({"time": "2026-11-21T09:30:00"}, "time", "with its zone"),
    ({"time": 17}, "time", "2026-11-21T09:30:00Z"),
    ({"time": "0001-01-01T00:00:00+14:00"}, "time", "2026-11-21T09:30:00Z"),
    ({"datacontenttype": "json"}, "datacontenttype", "a media type"),
    ({"data_base64": "*"}, "data_base64", "base64"),
    ({"data_base64": 7}, "data_base64", "base64"),
    ({"data": 1, "data_base64": "AA=="}, "data_base64", "`data` too"),
    ({"Partition": "a"}, "Partition", "lower-case letters"),
    ({"partition": 2**31}, "partition", "32 bits"),
    ({"partition": 1.5}, "partition", "whole number"),
    ({"partition": {}}, "partition", "whole number"),
    ({"partition": "a\n"}, "partition", "control characters"),
]


@pytest.mark.parametrize(("change", "attribute", "said"), WRONG)
async def test_what_is_wrong_with_an_event_is_named(
    api: httpx.AsyncClient, change: dict[str, Any], attribute: str, said: str
) -> None:
    answer = await send(api, PAID | change)

    assert answer.status_code == 422
    assert said in problems_of(answer)[attribute]
    assert await kept(api) == []


async def test_all_problems_are_told_at_once_with_what_was_probably_meant(api: httpx.AsyncClient) -> None:
    answer = await send(api, {"specversion": "1.0", "id": 1, "soruce": "/shop", "type": "a", "time": "?"})

    problems = problems_of(answer)
    assert set(problems) == {"id", "source", "time"}
    assert problems["source"] == "is missing; did you mean it by 'soruce'?"


async def test_headers_are_named_as_headers(api: httpx.AsyncClient) -> None:
    headers = BINARY | {"ce-time": "?", "ce-data": "1", "ce-datacontenttype": "a/b", "content-type": "a/b"}
    del headers["ce-type"]

    answer = await api.post("/events", content=b"x", headers=headers)

    assert answer.status_code == 422
    assert set(problems_of(answer)) == {"ce-time", "ce-type", "ce-data", "ce-datacontenttype"}


async def test_a_body_that_is_not_the_json_it_says_is_refused(api: httpx.AsyncClient) -> None:
    headers = BINARY | {"content-type": "application/json"}

    answer = await api.post("/events", content=b"{", headers=headers)

    assert answer.status_code == 422
    assert "the data is not JSON" in answer.json()["detail"]


async def test_one_wrong_event_refuses_the_batch_and_its_place_is_told(api: httpx.AsyncClient) -> None:
    events = [PAID, PAID | {"id": "2", "source": "a b"}, {"id": "3"}]

    answer = await api.post("/events", content=msgspec.json.encode(events), headers=BATCH)

    assert answer.status_code == 422
    assert {"[1].source", "[2].source", "[2].type", "[2].specversion"} == set(problems_of(answer))
    assert await kept(api) == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"7", b'{"data": "\xff"}', b"[" * 10_000, b'{"id": 1e999}']
)
@pytest.mark.parametrize("mode", [STRUCTURED, BATCH])
async def test_what_is_no_json_event_is_refused(
    api: httpx.AsyncClient, mode: dict[str, str], body: bytes
) -> None:
    answer = await api.post("/events", content=body, headers=mode)

    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json", "application/cloudevents+avro", "text/plain"])
async def test_another_content_type_is_415_and_the_right_ones_are_named(
    api: httpx.AsyncClient, kind: str
) -> None:
    answer = await api.post("/events", content=b"{}", headers={"content-type": kind})

    assert answer.status_code == 415
    for choice in ("application/cloudevents+json", "application/cloudevents-batch+json", "ce-"):
        assert choice in answer.json()["detail"]


async def test_limits_are_told(api: httpx.AsyncClient) -> None:
    large = await send(api, PAID | {"data": "x" * INBOUND_EVENT_BYTES_MAX})
    body = await send(api, PAID | {"data": "x" * REQUEST_BODY_BYTES_MAX})
    many = [PAID | {"id": str(n)} for n in range(1001)]
    batch = await api.post("/events", content=msgspec.json.encode(many), headers=BATCH)

    assert (large.status_code, body.status_code, batch.status_code) == (413, 413, 413)
    assert str(INBOUND_EVENT_BYTES_MAX) in large.json()["detail"]
    assert "at most 1000" in batch.json()["detail"]


@pytest.mark.parametrize("query", ["cursor=abc", "limit=0", "typ=a", "cursor=Wy0xXQ"])
async def test_a_wrong_query_is_422(api: httpx.AsyncClient, query: str) -> None:
    assert (await api.get(f"/events?{query}")).status_code == 422
