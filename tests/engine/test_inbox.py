"""The inbox: each event once, offered to what waits for it whatever dies, forgotten in time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from orchestrator.engine.inbox import BACKLOG_BYTES_MAX, Inbox, Offer, to_nobody
from orchestrator.engine.inbox_port import Receipt
from orchestrator.store.inbound import FORGOTTEN_ROWS_MAX
from penstock.contracts.errors import InvalidInput, Unavailable
from penstock.contracts.inbound import InboundEvent
from penstock.contracts.limits import INBOUND_EVENT_BYTES_MAX
from penstock.contracts.wire import encode
from penstock.service import end
from tests.engine.conftest import World


def event(id: object, **fields: object) -> InboundEvent:
    known: dict[str, object] = {"project": "default", "source": "/shop", "id": str(id), "type": "paid"}
    return InboundEvent(**{**known, **fields})  # type: ignore[arg-type]


@asynccontextmanager
async def opened(world: World, offer: Offer = to_nobody) -> AsyncIterator[Inbox]:
    inbox = Inbox(world.pool, offer)
    task = asyncio.create_task(inbox.run())
    yield inbox
    await end(task)


class Ear:
    """What waits for events."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._more = asyncio.Event()

    async def __call__(self, events: Sequence[InboundEvent]) -> None:
        self.heard += [each.id for each in events]
        self._more.set()

    async def hears(self, count: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self._more.clear()
                await self._more.wait()
        return self.heard


async def all_offered(world: World) -> None:
    async with asyncio.timeout(10):
        while await world.pool.fetchval("select count(*) from inbound_event where not offered"):
            await asyncio.sleep(0.01)


async def let_lie(world: World) -> None:
    """As if whoever kept the events had died some seconds ago."""
    await world.pool.execute(
        "update inbound_event set offered = false, received_at = received_at - interval '3 s'"
    )


async def test_an_event_that_two_orchestrators_get_at_once_is_accepted_once(world: World) -> None:
    async with opened(world) as one, opened(world) as two:
        events = [event(n) for n in range(2_000)]
        # The other way round: each waits for keys of the other, which must not become a deadlock.
        answers = await asyncio.gather(one.take(events), two.take(events[::-1]))

    assert sum(answer.count(Receipt.ACCEPTED) for answer in answers) == 2_000
    assert sum(answer.count(Receipt.REPEATED) for answer in answers) == 2_000
    assert await world.pool.fetchval("select count(*) from inbound_event") == 2_000


async def test_new_events_are_offered_once_in_the_order_they_came(world: World) -> None:
    ear = Ear()
    async with opened(world, ear) as inbox:
        await inbox.take([event("b"), event("a"), event("b")])
        await inbox.take([event("a"), event("0")])
        heard = await ear.hears(3)
        await all_offered(world)

    assert heard == ["b", "a", "0"]


async def test_what_was_kept_and_not_offered_is_offered_by_the_next_sweep(world: World) -> None:
    ear = Ear()
    async with opened(world, ear) as inbox:
        await inbox.take([event(1), event(2)])
        await all_offered(world)
        await inbox.repeat()
        assert ear.heard == ["1", "2"]

        await let_lie(world)
        await inbox.repeat()
        await inbox.repeat()

    assert ear.heard == ["1", "2", "1", "2"]


async def test_more_bytes_than_memory_should_hold_are_left_to_the_sweep(world: World) -> None:
    ear, begun, go = Ear(), asyncio.Event(), asyncio.Event()
    large = [event(n, data=encode("x" * INBOUND_EVENT_BYTES_MAX)) for n in range(100)]

    async def offer(events: Sequence[InboundEvent]) -> None:
        begun.set()
        await go.wait()
        await ear(events)

    async with opened(world, offer) as inbox:
        await inbox.take([event("first")])
        await begun.wait()
        await inbox.take(large)
        go.set()
        remembered = await ear.hears(1 + BACKLOG_BYTES_MAX // INBOUND_EVENT_BYTES_MAX)
        async with asyncio.timeout(10):
            while await world.pool.fetchval("select count(*) from inbound_event where offered") < len(
                remembered
            ):
                await asyncio.sleep(0.01)
        assert len(remembered) < len(large)

        await world.pool.execute("update inbound_event set received_at = received_at - interval '3 s'")
        await inbox.repeat()

    assert sorted(ear.heard) == sorted(["first", *(each.id for each in large)])


async def test_an_offer_that_meets_an_outage_is_repeated(world: World) -> None:
    ear, away = Ear(), [True]
    tried = asyncio.Event()

    async def offer(events: Sequence[InboundEvent]) -> None:
        tried.set()
        if away:
            raise Unavailable("the database does not answer")
        await ear(events)

    async with opened(world, offer) as inbox:
        await inbox.take([event(1)])
        async with asyncio.timeout(10):
            await tried.wait()
        away.clear()
        await let_lie(world)
        await inbox.repeat()

    assert ear.heard == ["1"]
    assert await world.pool.fetchval("select offered from inbound_event")


async def test_an_event_that_breaks_its_offer_takes_no_other_along(world: World) -> None:
    ear = Ear()

    async def offer(events: Sequence[InboundEvent]) -> None:
        if any(each.id == "bad" for each in events):
            raise ValueError("broken")
        await ear(events)

    async with opened(world, offer) as inbox:
        await inbox.take([event(1), event("bad"), event(2)])
        await all_offered(world)

    assert sorted(ear.heard) == ["1", "2"]


async def test_an_event_that_no_column_can_hold_is_refused_alone(world: World) -> None:
    async with opened(world) as inbox:
        answers = await inbox.take([event(1), event("a\x00"), event(2)])

    assert (answers[0], answers[2]) == (Receipt.ACCEPTED, Receipt.ACCEPTED)
    assert isinstance(answers[1], InvalidInput)


async def test_what_nobody_may_look_back_to_is_deleted_in_batches(world: World) -> None:
    inbox = Inbox(world.pool)
    await world.pool.execute(
        "insert into inbound_event (project, source, id, type, data, attributes, received_at)"
        " select 'default', '/shop', n::text, 'paid', 'null', '{}', now() - interval '7 days 1 s'"
        " from generate_series(1, $1) n",
        FORGOTTEN_ROWS_MAX + 1,
    )
    await world.pool.execute(
        "insert into inbound_event (project, source, id, type, data, attributes, received_at)"
        " values ('default', '/shop', 'young', 'paid', 'null', '{}', now() - interval '6 days 23 h')"
    )

    await inbox.forget()

    assert [row["id"] for row in await world.pool.fetch("select id from inbound_event")] == ["young"]


def test_expressions_see_the_event_with_null_for_what_was_not_sent() -> None:
    moment = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

    bare = event(1).document()
    full = event(2, subject="s", time=moment, data=b'{"a":1}', attributes=b'{"region":"eu"}').document()

    known = {"specversion": "1.0", "source": "/shop", "type": "paid"}
    assert bare == known | {"id": "1", "subject": None, "time": None, "data": None}
    assert full == known | {
        "id": "2",
        "subject": "s",
        "time": "2026-11-21T09:30:00Z",
        "data": {"a": 1},
        "region": "eu",
    }
