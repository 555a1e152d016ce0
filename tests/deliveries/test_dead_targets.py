"""A dead target slows nobody: bounded in flight, left alone after five failures, and the others do not notice."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from notifier.channels.outbound import Outbound
from notifier.channels.webhook import CONCURRENT_MAX, Options, Webhook
from notifier.deliveries.catalog import Entry
from notifier.deliveries.endpoints import Endpoints
from notifier.rules.endpoint import COOL_DOWN_S, FAILURES_MAX, Endpoint
from notifier.rules.kinds import pattern_of
from notifier.rules.subscription import Rule, Subscription
from penstock.telemetry import metrics
from tests.deliveries.builders import event, webhook
from tests.deliveries.conftest import Notifier, until
from tests.deliveries.targets import Reply, Target

EVENTS = 60


async def test_a_black_hole_holds_up_nobody(notifier: Notifier, target: Target) -> None:
    async with Target(reply=lambda request: Reply(status=None)) as black_hole:
        await notifier.subscribe("dead", webhook(black_hole.url))
        await notifier.subscribe("alive", webhook(target.url))

        await notifier.publish(*(event() for _ in range(EVENTS)))
        await target.received(EVENTS)
        found = await notifier.deliveries(EVENTS, state="delivered", limit=200)
        took = await notifier.rows.fetch(
            "select at + milliseconds * interval '1 millisecond' - happened_at as took"
            " from delivery join delivery_try on delivery_id = delivery.id"
        )

        assert {each["subscription"] for each in found} == {"alive"}
        assert len(black_hole.requests) <= CONCURRENT_MAX
        assert max(each["took"] for each in took) < timedelta(seconds=5)  # far below the 15 s of the dead one


async def test_a_target_that_fails_again_and_again_is_left_alone(notifier: Notifier, target: Target) -> None:
    target.reply = lambda request: Reply(status=500)
    await notifier.subscribe("failing", webhook(target.url))

    await notifier.publish(*(event() for _ in range(EVENTS)))
    await target.received(FAILURES_MAX)
    await notifier.deliveries(EVENTS, limit=200)
    await until(lambda: _is_open())
    await notifier.make_due()
    async with Target() as other:  # what comes later is told, and the failing one is still left alone
        await notifier.subscribe("alive", webhook(other.url))
        await notifier.publish(event())
        await other.received(1)

    assert (
        len(target.requests) < CONCURRENT_MAX + FAILURES_MAX
    )  # those on their way when it was noticed may arrive


def test_an_endpoint_is_left_alone_after_five_failures_and_then_probed() -> None:
    endpoint = Endpoint()
    for _ in range(FAILURES_MAX):
        endpoint = endpoint.began().ended(ok=False, now=100.0)

    assert endpoint.room(100.0, concurrent_max=16) == 0
    assert endpoint.room(100.0 + COOL_DOWN_S, concurrent_max=16) == 1
    assert endpoint.began().room(100.0 + COOL_DOWN_S, concurrent_max=16) == 0


def test_a_good_probe_opens_the_way_and_a_bad_one_closes_it_again() -> None:
    endpoint = Endpoint(failures=FAILURES_MAX, in_flight=1)

    assert endpoint.ended(ok=True, now=200.0) == Endpoint()
    assert endpoint.ended(ok=False, now=200.0).room(201.0, concurrent_max=16) == 0


def test_what_never_reached_the_target_says_nothing_of_it() -> None:
    assert Endpoint(failures=4, in_flight=1).given_back() == Endpoint(failures=4)


def test_an_endpoint_that_asks_for_time_gets_it() -> None:
    endpoint = Endpoint(in_flight=1).ended(ok=False, now=0.0, asked=timedelta(minutes=2))

    assert endpoint.room(119.0, concurrent_max=16) == 0
    assert endpoint.room(120.0, concurrent_max=16) == 16


async def _is_open() -> bool:
    return next(iter(metrics.ENDPOINTS_OPEN.collect())).samples[0].value == 1


def test_who_has_the_least_in_flight_is_first_when_there_is_not_room_for_all() -> None:
    """Slow targets that were there before would take every place that gets free."""
    pattern = pattern_of(["*"])
    rule = Rule(events=("*",), pattern=pattern, condition=None, channel_kind="webhook", template=None)
    outbound = Outbound()
    slow, quick = (
        Entry(
            Subscription(
                id=uuid4(),
                project="default",
                name=name,
                rule=rule,
                active=True,
                revision=1,
                created_at=datetime.now(UTC),
            ),
            Webhook(Options("https://example.org", ()), outbound),
        )
        for name in ("slow", "quick")
    )
    endpoints = Endpoints()
    endpoints.began(slow)

    assert list(endpoints.room([slow, quick])) == [quick.subscription.id, slow.subscription.id]
    outbound.close()
