"""Subscriptions and deliveries through the API: strict, complete in what they refuse, silent about secrets."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from notifier.channels.reading import API
from notifier.deliveries.document import DocumentReader
from notifier.deliveries.forgetting import Forgetting
from notifier.main import configured
from notifier.settings import Settings
from penstock.bus.connection import Bus
from penstock.contracts.errors import InvalidInput
from penstock.definition.expressions import Expressions
from tests.deliveries.builders import SECRET, event, webhook
from tests.deliveries.conftest import Notifier, running
from tests.deliveries.targets import Reply, Target

Json = Any
HOOK = "https://example.org/hook?token=hidden"


async def test_a_subscription_is_made_changed_listed_and_deleted(notifier: Notifier) -> None:
    made = await notifier.api.put("/subscriptions/ops", json=webhook(HOOK))
    same = await notifier.api.put("/subscriptions/ops", json=webhook(HOOK))
    changed = await notifier.api.put("/subscriptions/ops", json=webhook(HOOK, events=("run.*",)))
    listed = await notifier.get("/subscriptions")
    deleted = await notifier.api.delete("/subscriptions/ops")
    gone = await notifier.api.get("/subscriptions/ops")

    assert [answer.status_code for answer in (made, same, changed, deleted, gone)] == [
        201,
        200,
        200,
        204,
        404,
    ]
    assert same.json()["changed_at"] == made.json()["changed_at"]
    assert [each["events"] for each in listed["items"]] == [["run.*"]]
    assert made.json()["channel"] == {"kind": "webhook", "target": "https://example.org/hook"}
    assert made.json()["from"] == "api"


async def test_nothing_secret_is_ever_shown(notifier: Notifier) -> None:
    document = webhook(HOOK)
    document["channel"]["webhook"]["secret"] = SECRET
    slack = {"events": ["*"], "channel": {"slack": {"url": "https://hooks.slack.com/services/T0/B0/XX"}}}
    await notifier.subscribe("ops", document)
    await notifier.subscribe("chat", slack)

    shown = str(await notifier.get("/subscriptions"))

    for secret in ("hidden", SECRET, "T0/B0/XX"):
        assert secret not in shown


@pytest.mark.parametrize(
    "channel",
    [
        "PLAIN-SECRET",
        {"slack": "PLAIN-SECRET"},
        {"slack": {"url": "https://hooks.slack.com:PLAIN-SECRET/x"}},
        {"apprise": {"url": "PLAIN-SECRET://x"}},
        {"webhook": {"url": HOOK, "secret": "PLAIN-SECRET"}},
        {"webhook": {"url": HOOK, "secret": ["PLAIN-SECRET"]}},
        {"grafana": {"url": HOOK, "token": {"PLAIN-SECRET": "PLAIN-SECRET"}}},
    ],
)
async def test_no_refusal_shows_what_may_be_a_secret(notifier: Notifier, channel: Any) -> None:
    answer = await notifier.api.put("/subscriptions/ops", json={"events": ["*"], "channel": channel})

    assert answer.status_code == 422
    assert "PLAIN-SECRET" not in answer.text


async def test_a_number_in_place_of_a_secret_is_not_shown(notifier: Notifier) -> None:
    channel = {"grafana": {"url": HOOK, "token": 987654321}}

    answer = await notifier.api.put("/subscriptions/ops", json={"events": ["*"], "channel": channel})

    assert answer.status_code == 422
    assert "987654321" not in answer.text


async def test_a_target_that_answers_with_what_it_was_sent_shows_no_secret(
    notifier: Notifier, target: Target
) -> None:
    target.reply = lambda sent: Reply(
        status=404, body=f"no POST {sent.path} {sent.headers.get('authorization')}".encode()
    )
    grafana = {"url": f"{target.url}?key=QUERY-SECRET", "token": "glsa-TOKEN-SECRET"}
    slack = {"url": f"http://127.0.0.1:{target.port}/services/T0/B0/SLACK-SECRET"}
    for name, channel in (("marks", {"grafana": grafana}), ("chat", {"slack": slack})):
        await notifier.subscribe(name, {"events": ["run.failed"], "channel": channel})
        tried = await notifier.api.post(f"/subscriptions/{name}/test")

        assert tried.json()["answer"].startswith("no POST /")
        assert "SECRET" not in tried.text


async def test_all_that_is_wrong_is_said_at_once(notifier: Notifier) -> None:
    document = {
        "events": ["run.faild", 7],
        "if": "${{ event.projekt == 'x' }}",
        "chanel": {},
        "channel": {"webhook": {"url": "ftp://example.org", "secret": "short"}},
        "template": "text",
    }

    answer = await notifier.api.put("/subscriptions/ops", json=document)
    said = {problem["path"]: problem["message"] for problem in answer.json()["errors"]}

    assert answer.status_code == 422
    assert "did you mean 'run.failed'?" in said["events[0]"]
    assert said["events[1]"].startswith("expected text")
    assert "did you mean 'project'?" in said["if"]
    assert "did you mean 'channel'?" in said["chanel"]
    assert "an address like https://example.org/path" in said["channel.webhook.url"]
    assert "whsec_" in said["channel.webhook.secret"]
    assert said["template"].startswith("expected a mapping")


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"if": "${{ event.seq }} x"}, "if", "exactly one expression"),
        ({"if": "${{ nodes.a.state == 'x' }}"}, "if", "this place speaks of event"),
        ({"if": "${{ 1 + 1 }}"}, "if", "gives true or false"),
        ({"events": []}, "events", "expected 1 to 50 kinds"),
        ({"channel": {"webhok": {}}}, "channel.webhok", "did you mean 'webhook'?"),
        ({"channel": {"webhook": {"url": HOOK}, "slack": {}}}, "channel", "exactly one of"),
        ({"channel": {"apprise": {"url": "dbus://"}}}, "channel.apprise.url", "configuration file"),
        (
            {"channel": {"apprise": {"url": "msteams://w@a/b/c/d?template=/etc/x"}}},
            "channel.apprise.url",
            "configuration file",
        ),
        (
            {"channel": {"email": {"host": "h", "from": "a@b", "to": ["x\r\ny@z"]}}},
            "channel.email.to",
            "an address like",
        ),
        ({"channel": {"webhook": {"url": "http://u:p@h/"}}}, "channel.webhook.url", "no user and password"),
        ({"active": "yes"}, "active", "true or false"),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(change: Json, path: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        DocumentReader(Expressions()).read(webhook(HOOK) | change, API, name="ops")

    assert words in next(each.message for each in refused.value.problems if each.path == path)


async def test_a_body_that_is_no_document_is_refused(notifier: Notifier) -> None:
    for body in (b"{", b"[]", b"7", b'"x"', b"\xff", b"[" * 5_000, b""):
        answer = await notifier.api.put("/subscriptions/ops", content=body)

        assert answer.status_code in (400, 422), body


async def test_a_name_that_there_is_not_names_the_nearest(notifier: Notifier) -> None:
    await notifier.subscribe("failures", webhook(HOOK))

    answer = await notifier.api.get("/subscriptions/failure")
    odd = await notifier.api.put("/subscriptions/Not_A_Name", json=webhook(HOOK))

    assert "did you mean 'failures'?" in answer.json()["detail"]
    assert odd.status_code == 422


async def test_projects_do_not_see_each_other(notifier: Notifier) -> None:
    await notifier.subscribe("ops", webhook(HOOK))
    other = {"X-Penstock-Project": "other"}

    assert (await notifier.api.get("/subscriptions/ops", headers=other)).status_code == 404
    assert (await notifier.api.get("/subscriptions", headers=other)).json()["items"] == []


async def test_the_test_button_says_what_the_target_said(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("ops", webhook(target.url, events=("node.fail*",)))

    good = (await notifier.api.post("/subscriptions/ops/test")).json()
    target.reply = lambda request: Reply(status=418, body=b"a teapot")
    bad = (await notifier.api.post("/subscriptions/ops/test")).json()

    assert target.requests[0].document["type"] == "penstock.node.failed"
    assert target.requests[0].document["data"]["sample"] is True
    assert (good["ok"], good["answer"]) == (True, "thanks")
    assert (bad["ok"], bad["status"], bad["answer"]) == (False, 418, "a teapot")
    assert (await notifier.get("/deliveries"))["items"] == []


async def test_a_paused_subscription_is_told_nothing_until_it_is_resumed(
    notifier: Notifier, target: Target
) -> None:
    await notifier.subscribe("ops", webhook(target.url))
    await notifier.subscribe("all", webhook(target.url, events=("*",)))

    paused = (await notifier.api.post("/subscriptions/ops/pause", json={"reason": "lunch"})).json()
    await notifier.publish(event())
    await notifier.deliveries(1, subscription="all", state="delivered")
    meanwhile = (await notifier.get("/deliveries", subscription="ops"))["items"]
    resumed = (await notifier.api.post("/subscriptions/ops/resume")).json()
    await notifier.publish(event())
    await notifier.deliveries(1, subscription="ops", state="delivered")

    assert (paused["active"], paused["inactive_reason"], resumed["active"]) == (False, "lunch", True)
    assert meanwhile == []


async def test_deliveries_come_in_pages_and_by_filters(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("ops", webhook(target.url))
    events = [event() for _ in range(5)]
    await notifier.publish(*events)
    everything = await notifier.deliveries(5, state="delivered")

    first = await notifier.get("/deliveries", limit=3)
    second = await notifier.get("/deliveries", limit=3, cursor=first["next"])
    of_run = await notifier.get("/deliveries", run=events[0].id.partition("/")[0])

    assert [each["id"] for each in first["items"] + second["items"]] == [each["id"] for each in everything]
    assert second["next"] is None
    assert [each["event_id"] for each in of_run["items"]] == [events[0].id]
    assert (await notifier.api.get("/deliveries", params={"state": "lost"})).status_code == 422
    assert (await notifier.api.get("/deliveries/7")).status_code == 404


FILE = """
subscriptions:
  ops:
    project: default
    events: [run.failed]
    channel: {webhook: {url: "%s", secret_file: secret.txt}}
"""


async def test_a_subscription_of_the_file_is_read_only_and_goes_with_it(
    config: Callable[[str], Settings], tester: Bus, target: Target
) -> None:
    settings = config(FILE % target.url)
    assert settings.config_file is not None
    (settings.config_file.parent / "secret.txt").write_text(f"{SECRET}\n")

    async with running(settings, tester) as notifier:
        shown = await notifier.get("/subscriptions/ops")
        changed = await notifier.api.put("/subscriptions/ops", json=webhook(HOOK))
        deleted = await notifier.api.delete("/subscriptions/ops")
        await notifier.publish(event())
        (request,) = await target.received(1)
    async with running(settings, tester) as notifier:  # the same file changes nothing
        again = await notifier.get("/subscriptions/ops")
    async with running(config("subscriptions: {}"), tester) as notifier:
        left = await notifier.get("/subscriptions")

    assert shown["from"] == "file"
    assert (changed.status_code, deleted.status_code) == (409, 409)
    assert "webhook-signature" in request.headers
    assert again == shown
    assert left["items"] == []


def test_a_wrong_file_stops_the_start_and_says_all_that_is_wrong(
    config: Callable[[str], Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(
        "subscriptions: {Ops: {}, b: {events: [run.x], channel: {slack: {url_file: none.txt}}}}"
    )

    with pytest.raises(SystemExit):
        configured(settings)
    said = capsys.readouterr().err

    assert "subscriptions.Ops: expected a name" in said
    assert "subscriptions.Ops: 'channel' is missing" in said
    assert "subscriptions.b.events[0]: no kind of event is 'run.x'" in said
    assert "subscriptions.b.channel.slack.url_file: the file cannot be read" in said


async def test_old_deliveries_are_forgotten_with_their_tries(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("ops", webhook(target.url))
    await notifier.publish(event(), kept := event())
    await notifier.deliveries(2, state="delivered")
    old = timedelta(days=31)

    await notifier.rows.execute(
        "update delivery set ended_at = now() - $1::interval where event_id <> $2", old, kept.id
    )
    await Forgetting(notifier.rows)()

    assert [each["event_id"] for each in (await notifier.get("/deliveries"))["items"]] == [kept.id]
    assert await notifier.rows.fetchval("select count(*) from delivery_try") == 1


async def test_the_page_of_the_api_documents_every_call(notifier: Notifier) -> None:
    page = (await notifier.api.get("/openapi.json")).json()

    assert "put" in page["paths"]["/api/v1/subscriptions/{name}"]
    assert "post" in page["paths"]["/api/v1/deliveries/{delivery_id}/redeliver"]
