"""Nodes that wait for an event from outside: it comes later, it came before, it is lost on the way and found again."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from orchestrator.domain.events import CancelRequested
from orchestrator.engine.inbox_port import Receipt
from penstock.contracts.inbound import InboundEvent
from penstock.contracts.wire import encode
from tests.engine.conftest import World
from tests.engine.test_apply import assert_invariants
from tests.engine.test_inbox import all_offered, let_lie

LOST = (
    "insert into inbound_event (project, source, id, type, data, attributes, received_at, offered)"
    " values ('default', '/shop', $1, 'paid', $2, '{}', now() - $3::interval, true)"
)
"""An event that was offered when nobody waited for it, or whose offer nobody heard."""


def waiting(name: str = "order", **event: object) -> dict[str, object]:
    """Waits for the payment of its order."""
    paid = {"type": "paid", "if": "${{ event.data.order == inputs.value }}", "look_back": "5m", **event}
    return {
        "name": name,
        "nodes": {
            "payment": {"wait": {"event": paid}},
            "ship": {"agent": "echo", "with": {"by": "${{ nodes.payment.output.event.id }}"}},
        },
    }


def paid(id: str, *, order: int = 1, **fields: Any) -> InboundEvent:
    known = {"project": "default", "source": "/shop", "id": id, "type": "paid"}
    return InboundEvent(**{**known, "data": encode({"order": order}), **fields})


async def until(world: World, run: UUID, node: str, state: str) -> Any:
    async with asyncio.timeout(10):
        while (row := await world.node(run, node)) is None or row["state"] != state:
            await asyncio.sleep(0.01)
    return row


async def looked_back(world: World) -> None:
    """Every look that was ordered until now is over."""
    await world.engine.effects.idle()


async def begin(world: World, **event: object) -> UUID:
    """A run that waits, and has looked back in vain."""
    await world.define(waiting(**event))
    run = (await world.start("order")).run_id
    await looked_back(world)
    assert (await world.node(run, "payment"))["state"] == "suspended"
    return run


async def test_the_event_that_matches_is_the_nodes_output_and_the_run_goes_on(world: World) -> None:
    run = await begin(world)

    await world.inbox.take([paid("other", order=2), paid("mine", subject="s"), paid("second")])
    node = await until(world, run, "payment", "succeeded")

    output = json.loads(node["output"])
    assert (output["timed_out"], output["event"]["id"], output["event"]["subject"]) == (False, "mine", "s")
    assert json.loads((await until(world, run, "ship", "ready"))["input"]) == {"by": "mine"}
    assert node["topic"] is None
    await assert_invariants(world)


async def test_an_event_of_another_type_or_project_is_not_for_it(world: World) -> None:
    run = await begin(world)

    await world.inbox.take([paid("1", type="refused"), paid("2", project="blue"), paid("3", order=7)])
    await all_offered(world)

    assert (await world.node(run, "payment"))["state"] == "suspended"


async def test_an_event_wakes_every_run_that_waits_for_it(world: World) -> None:
    await world.define(waiting())
    runs = [(await world.start("order")).run_id for _ in range(5)]
    await looked_back(world)

    await world.inbox.take([paid("1")])

    for run in runs:
        await until(world, run, "payment", "succeeded")


async def test_an_event_that_came_first_counts_within_the_window(world: World) -> None:
    await world.pool.execute(LOST, "too old", '{"order": 1}', timedelta(minutes=6))
    await world.pool.execute(LOST, "another", '{"order": 2}', timedelta(minutes=4))
    await world.pool.execute(LOST, "first", '{"order": 1}', timedelta(minutes=3))
    await world.pool.execute(LOST, "second", '{"order": 1}', timedelta(minutes=2))
    await world.define(waiting())

    run = (await world.start("order")).run_id
    node = await until(world, run, "payment", "succeeded")

    assert json.loads(node["output"])["event"]["id"] == "first"


async def test_it_looks_back_over_more_events_than_one_list_holds(world: World) -> None:
    await world.pool.execute(
        "insert into inbound_event (project, source, id, type, data, attributes, offered)"
        " select 'default', '/shop', n::text, 'paid', json_build_object('order', n), '{}', true"
        " from generate_series(1, 450) n"
    )
    await world.define(waiting(**{"if": "${{ event.data.order == 449 }}"}))

    run = (await world.start("order")).run_id
    node = await until(world, run, "payment", "succeeded")

    assert json.loads(node["output"])["event"]["id"] == "449"


async def test_an_event_whose_offer_was_lost_is_brought_by_the_sweep(world: World) -> None:
    run = await begin(world, **{"if": "${{ event.id == 'now' }}"})
    await world.inbox.take([paid("1")])
    await all_offered(world)
    await world.pool.execute("update inbound_event set id = 'now'")

    await let_lie(world)
    await world.inbox.repeat()

    await until(world, run, "payment", "succeeded")


async def test_a_look_that_was_lost_is_made_again_when_the_timer_goes_off(
    world: World, second_world: World
) -> None:
    run = await begin(world)
    await world.pool.execute(LOST, "1", '{"order": 1}', timedelta(minutes=4))

    await world.time_passes(run)
    await second_world.sweep()  # it has not looked yet

    await until(world, run, "payment", "succeeded")


async def test_a_node_does_not_look_at_the_same_events_every_ten_seconds(world: World) -> None:
    run = await begin(world)
    await world.pool.execute(LOST, "seen before", '{"order": 1}', timedelta(minutes=4))

    await world.time_passes(run)
    await world.sweep()
    await looked_back(world)

    assert (await world.node(run, "payment"))["state"] == "suspended"


async def test_an_event_and_a_wait_that_are_committed_at_once_find_each_other(world: World) -> None:
    await world.define(waiting())

    async def one(n: int) -> UUID:
        """A run and its event; of every second pair the event comes while the node looks back already."""
        begun = asyncio.create_task(world.start("order", input=encode({"value": n})))
        if n % 2:
            await begun
        assert await world.inbox.take([paid(str(n), order=n)]) == [Receipt.ACCEPTED]
        return (await begun).run_id

    runs = await asyncio.gather(*(one(n) for n in range(60)))

    for run in runs:
        await until(world, run, "payment", "succeeded")
    await assert_invariants(world)


async def test_a_cancelled_run_waits_for_nothing(world: World) -> None:
    run = await begin(world)

    await world.engine.control("default", run, CancelRequested(by="ann", reason="stop"))
    await world.inbox.take([paid("1")])
    await all_offered(world)

    assert (await world.node(run, "payment"))["state"] == "cancelled"
