"""Whatever an Alertmanager sends, it is answered with 200 or a clear 4xx: never with 429, never with 500."""

from typing import Any

import httpx
import msgspec
from hypothesis import strategies as st

from tests.alerts.builders import alert, payload, resolved
from tests.http.test_fuzz import fuzz, json_values, one_of_fields, texts

moments = st.sampled_from(
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999+23:59", "2026-13-01T00:00:00Z", "24:00"]
) | st.datetimes().map(lambda moment: f"{moment.isoformat()}+05:30")
labels = st.dictionaries(texts, texts, max_size=4) | json_values
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
alert_fields = one_of_fields(
    status=texts,
    labels=labels,
    annotations=labels,
    startsAt=moments | json_values,
    endsAt=moments | json_values,
    generatorURL=texts | json_values,
    fingerprint=texts | json_values,
    other=json_values,
)
group_fields = one_of_fields(
    version=texts | numbers,
    groupKey=texts | json_values,
    status=texts,
    receiver=texts,
    truncatedAlerts=numbers | json_values,
    groupLabels=labels,
    commonLabels=labels,
    commonAnnotations=labels,
    externalURL=texts | json_values,
    alerts=st.lists(json_values, max_size=3),
    other=json_values,
)
# A good webhook with one thing spoilt: random ones would all fail at the first check.
alerts = st.tuples(st.sampled_from([alert, resolved]), alert_fields).map(
    lambda made: made[0]() | dict([made[1]])
)
groups = st.tuples(st.lists(alerts, max_size=3), st.none() | group_fields).map(
    lambda made: payload(*made[0]) | dict([made[1]] if made[1] else [])
)


def expect_taken_or_refused(answer: httpx.Response) -> None:
    assert answer.status_code in (200, 400, 413, 415, 422), f"{answer.request.content!r}: {answer.text}"
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_no_webhook_breaks_the_notifier(api: httpx.AsyncClient) -> None:
    seen = set()

    async def send(group: dict[str, Any]) -> None:
        answer = await api.post("/alertmanager", content=msgspec.json.encode(group))
        expect_taken_or_refused(answer)
        seen.add(answer.status_code)

    await fuzz(groups, send)
    assert seen >= {200, 422}
    assert (await api.get("/alerts", params={"limit": 200})).status_code == 200


async def test_no_bytes_break_the_notifier(api: httpx.AsyncClient) -> None:
    whole = msgspec.json.encode(payload(alert()))

    async def send(spoilt: tuple[int, bytes]) -> None:
        place, piece = spoilt
        at = place % len(whole)
        expect_taken_or_refused(await api.post("/alertmanager", content=whole[:at] + piece + whole[at + 1 :]))

    pieces = st.binary(max_size=4) | st.sampled_from([rb"\ud800", rb"\u0000", b"\xff", b"[" * 2_000])
    await fuzz(st.tuples(st.integers(0), pieces), send)


async def test_no_query_breaks_a_list(api: httpx.AsyncClient) -> None:
    names = st.sampled_from(["source", "status", "state", "project", "limit", "cursor"]) | texts

    async def send(parameter: tuple[str, str]) -> None:
        for path in ("/alerts", "/alert-actions"):
            expect_taken_or_refused(await api.get(path, params=[parameter]))

    await fuzz(st.tuples(names, texts), send)
