"""From an event on the bus to a target that has heard: once for each subscription, again until it is told."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from notifier.settings import Settings
from orchestrator.bus.for_notifier import NotifierConsumer
from penstock.bus.connection import Bus
from penstock.bus.permissions import CONSUMER_NOTIFIER
from penstock.bus.publisher import NotAcknowledged
from penstock.contracts import subjects
from penstock.contracts.errors import Unavailable
from penstock.contracts.wire import encode
from tests.deliveries.builders import OTHER_SECRET, SECRET, event, webhook
from tests.deliveries.conftest import Notifier, nothing, running, until
from tests.deliveries.targets import Reply, Target


async def test_an_event_reaches_who_subscribed_to_its_kind(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("failures", webhook(target.url))
    failed = event("run.failed")

    await notifier.publish(event("run.succeeded"), failed)
    (request,) = await target.received(1)
    (delivery,) = await notifier.deliveries(1, state="delivered")

    assert request.document == {**_plain(failed)}
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert (delivery["event_id"], delivery["kind"]) == (failed.id, "run.failed")
    assert request.headers["webhook-id"] == f"msg_{delivery['id']}"


async def test_every_subscription_hears_an_event_exactly_once(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("first", webhook(target.url))
    await notifier.subscribe("second", webhook(target.url, events=("run.*",)))
    failed = event()

    for _ in range(3):
        await notifier.publish(failed, failed)
    await notifier.publish(later := event("run.succeeded"))
    await target.received(3)
    found = await notifier.deliveries(3, state="delivered")

    assert sorted((each["subscription"], each["event_id"]) for each in found) == sorted(
        [("first", failed.id), ("second", failed.id), ("second", later.id)]
    )
    assert len(target.requests) == 3


async def test_a_condition_and_a_template_speak_of_the_event(notifier: Notifier, target: Target) -> None:
    document = webhook(
        target.url,
        template={
            "what": "${{ event.workflow }}: ${{ event.data.failure.message }}",
            "seq": "${{ event.seq }}",
        },
        **{"if": "${{ event.data.failure.error_class == 'timeout' }}"},
    )
    await notifier.subscribe("timeouts", document)

    await notifier.publish(event(data={"no": "failure"}), event(seq=3))
    (request,) = await target.received(1)

    assert request.document == {"what": "release: it took too long", "seq": 3}


async def test_another_project_hears_nothing(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("failures", webhook(target.url))

    await notifier.publish(event(project="other"), mine := event())
    await target.received(1)
    found = await notifier.deliveries(1)

    assert [each["event_id"] for each in found] == [mine.id]


async def test_what_happened_before_the_subscription_is_not_told(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("failures", webhook(target.url))

    await notifier.publish(event(at=datetime.now(UTC) - timedelta(minutes=1)), new := event())
    await target.received(1)
    found = await notifier.deliveries(1)

    assert [each["event_id"] for each in found] == [new.id]


async def test_the_signature_verifies_with_both_secrets_and_no_other(
    notifier: Notifier, target: Target
) -> None:
    document = webhook(target.url)
    document["channel"]["webhook"] |= {"secret": SECRET, "previous_secret": OTHER_SECRET}
    shown = await notifier.subscribe("signed", document)

    await notifier.publish(sent := event())
    (request,) = await target.received(1)

    for secret in (SECRET, OTHER_SECRET):
        assert Webhook(secret).verify(request.body, request.headers)["id"] == sent.id
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(request.body, request.headers)
    assert SECRET not in str(shown)


async def test_a_failed_try_is_repeated_under_the_same_id(notifier: Notifier, target: Target) -> None:
    target.reply = lambda request: Reply(status=400 if len(target.requests) < 3 else 204, body=b"")
    await notifier.subscribe("failures", webhook(target.url))

    await notifier.publish(event())
    for count in (1, 2):
        await target.received(count)
        await until(lambda count=count: _has_tried(notifier, count))  # type: ignore[misc]
        await notifier.make_due()
    requests = await target.received(3)
    (delivery,) = await notifier.deliveries(1, state="delivered")
    log = (await notifier.get(f"/deliveries/{delivery['id']}"))["log"]

    assert len({request.headers["webhook-id"] for request in requests}) == 1
    assert [(each["status"], each["ok"]) for each in log] == [(400, False), (400, False), (204, True)]


async def test_what_a_target_asks_for_with_retry_after_is_honoured(
    notifier: Notifier, target: Target
) -> None:
    target.reply = lambda request: Reply(status=503, headers=("Retry-After: 3000",))
    await notifier.subscribe("failures", webhook(target.url))

    await notifier.publish(event())
    await until(lambda: _has_tried(notifier, 1))
    (delivery,) = await notifier.deliveries(1)

    due_in = datetime.fromisoformat(delivery["due_at"]) - datetime.now(UTC)
    assert timedelta(seconds=2900) < due_in <= timedelta(seconds=3000)


async def test_a_target_that_is_gone_is_not_called_again(notifier: Notifier, target: Target) -> None:
    target.reply = lambda request: Reply(status=410)
    await notifier.subscribe("failures", webhook(target.url))

    await notifier.publish(event())
    await notifier.deliveries(1, state="failed")
    await until(lambda: _is_paused(notifier, "failures"))
    shown = await notifier.get("/subscriptions/failures")

    assert shown["inactive_reason"] == "the target answered 410 Gone"


async def test_a_delivery_is_given_up_after_the_last_try(notifier: Notifier, target: Target) -> None:
    target.reply = lambda request: Reply(status=500)
    await notifier.subscribe("failures", webhook(target.url))
    await notifier.publish(event())
    await until(lambda: _has_tried(notifier, 1))

    await notifier.rows.execute("update delivery set tries = 9, due_at = now()")
    (given_up,) = await notifier.deliveries(1, state="failed")

    assert given_up["tries"] == 10
    assert given_up["due_at"] is None


async def test_a_template_that_asks_for_what_is_not_there_is_not_tried_again(
    notifier: Notifier, target: Target
) -> None:
    await notifier.subscribe("failures", webhook(target.url, template={"a": "${{ event.data.nothing }}"}))

    await notifier.publish(event())
    (delivery,) = await notifier.deliveries(1, state="failed")
    (tried,) = (await notifier.get(f"/deliveries/{delivery['id']}"))["log"]

    assert "there is no 'nothing'" in tried["error"]
    assert target.requests == []


async def test_redelivery_tells_again_under_the_same_id(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("failures", webhook(target.url))
    await notifier.publish(event())
    (delivery,) = await notifier.deliveries(1, state="delivered")

    answer = await notifier.api.post(f"/deliveries/{delivery['id']}/redeliver")
    first, second = await target.received(2)

    assert answer.status_code == 200
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


async def test_what_a_killed_notifier_had_claimed_is_told_by_another(
    settings: Settings, tester: Bus, target: Target
) -> None:
    """A claim outlives its notifier; when it lapses, somebody else takes the delivery."""
    async with running(settings, tester) as first:
        await first.subscribe("failures", webhook(target.url))
        await first.rows.execute("update subscription set active = false, inactive_reason = 'hold'")
        await first.rows.execute("update subscription_version set version = version + 1")
        await first.rows.execute(
            """
            insert into delivery
              (id, subscription_id, event_id, kind, workflow, run_id, happened_at, event, claims, due_at)
            select $1, id, 'x/1', 'run.failed', 'release', $2, now(), $3, 1, now() + interval '1 minute'
            from subscription
            """,
            uuid4(),
            uuid4(),
            encode(event()).decode(),
        )

    async with running(settings, tester) as second:
        await second.api.post("/subscriptions/failures/resume")
        assert [each["state"] for each in await second.deliveries(1)] == ["waiting"]
        await second.make_due()
        await target.received(1)
        await second.deliveries(1, state="delivered")


async def test_a_consumer_that_was_lost_is_pulled_from_again_and_nothing_is_told_twice(
    notifier: Notifier, target: Target
) -> None:
    await notifier.subscribe("failures", webhook(target.url))
    await notifier.publish(first := event())
    await target.received(1)

    await notifier.bus.client.jetstream().delete_consumer(subjects.STREAM_EVENTS, CONSUMER_NOTIFIER)
    await notifier.publish(second := event())
    await NotifierConsumer(notifier.bus, nothing)()
    await target.received(2)
    found = await notifier.deliveries(2, state="delivered")

    assert {each["event_id"] for each in found} == {first.id, second.id}
    assert len(target.requests) == 2


async def test_a_replay_that_its_orchestrator_did_not_end_is_made_by_another(tester: Bus) -> None:
    """It died between declaring the consumer and publishing again what the bus had lost."""
    done = []

    async def dies() -> None:
        raise NotAcknowledged(total=1, reason="killed")

    async def replay() -> None:
        done.append("replayed")

    await tester.client.jetstream().delete_consumer(subjects.STREAM_EVENTS, CONSUMER_NOTIFIER)
    with pytest.raises(Unavailable):
        await NotifierConsumer(tester, dies)()
    other = NotifierConsumer(tester, replay)
    await other()
    await other()

    assert done == ["replayed"]


async def test_garbage_on_the_subject_stops_nobody(notifier: Notifier, target: Target) -> None:
    await notifier.subscribe("failures", webhook(target.url))
    subject = subjects.event("default", "release", "run.failed")

    await notifier.publisher.publish(
        [
            (subject, b"\xff\x00"),
            (subject, encode(event("run.\x00"))),
            (subject, b"[]"),
            (subject, b'{"id": 1}'),
        ]
    )
    await notifier.publish(good := event())
    (request,) = await target.received(1)

    assert request.document["id"] == good.id


async def _has_tried(notifier: Notifier, count: int) -> bool:
    return int(await notifier.rows.fetchval("select count(*) from delivery_try")) >= count


async def _is_paused(notifier: Notifier, name: str) -> bool:
    return not (await notifier.get(f"/subscriptions/{name}"))["active"]


def _plain(sent: object) -> dict[str, object]:
    document: dict[str, object] = msgspec.json.decode(encode(sent))
    return document
