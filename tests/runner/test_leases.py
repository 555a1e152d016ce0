"""Claims, leases, cancellation and drain: who may run what, and for how long."""

import asyncio
import time

import pytest

from agent_runner.sandbox.port import Tier
from agent_runner.sandbox.probe import Check, Report
from penstock.contracts import subjects
from penstock.contracts.failure import ErrorClass
from penstock_cli.embedded.nats import Nats
from tests.runner.conftest import Agents, Start, Started
from tests.runner.peer import Peer

pytestmark = pytest.mark.sandbox

SLEEP = """
    import json, sys, time
    print("started", file=sys.stderr, flush=True)
    time.sleep(json.load(sys.stdin).get("seconds", 600))
    print("{}")
"""
QUICK = "print('{}')"


async def test_refused_claim_is_acknowledged_and_never_run(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("quick", QUICK)
    peer.grants = lambda claim: claim.node != "taken"
    await start()

    await peer.order("quick", node="taken")
    granted = await peer.order("quick", node="free")

    await peer.result_of(granted)
    assert [result.node for result in peer.results] == ["free"]
    assert await peer.waiting() == 0


async def test_claims_that_gather_are_sent_together(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("sleep", SLEEP)
    peer.is_silent = True
    await start(slots=8)

    first = await peer.order("sleep")
    await peer.claimed(first)
    for _ in range(7):
        await peer.order("sleep")
    peer.is_silent = False
    await peer.until(lambda: sum(len(request.claims) for request in peer.claims) >= 9)

    sizes = [len(request.claims) for request in peer.claims]
    assert sizes[:2] == [1, 1]  # asked again with the same token
    assert sizes[2] == 7
    assert peer.claims[0] == peer.claims[1]


async def test_no_more_is_claimed_than_there_are_slots(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("sleep", SLEEP)
    for _ in range(5):
        await peer.order("sleep", {"seconds": 0.3})
    most = 0

    started: Started = await start(slots=2)
    for done in range(1, 6):
        await peer.until(lambda done=done: len(peer.results) >= done)  # type: ignore[misc]
        most = max(most, started.runner.worker.busy)

    assert most <= 2
    assert max(len(request.claims) for request in peer.claims) <= 2


async def test_unknown_agent_is_left_for_another_runner(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("quick", QUICK)
    await start()

    await peer.order("unknown")
    await peer.result_of(await peer.order("quick"))

    assert await peer.waiting() == 1
    assert all(claim.node == "n" for request in peer.claims for claim in request.claims)
    assert sum(len(request.claims) for request in peer.claims) == 1


async def test_garbage_is_dropped_and_disturbs_nobody(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("quick", QUICK)
    await start()

    await peer.bus.client.jetstream().publish(subjects.ready("default", "quick"), b"\xff{nonsense")
    result = await peer.result_of(await peer.order("quick"))

    assert result.failure is None
    assert await peer.waiting() == 0


async def test_leases_are_renewed_in_one_request(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("sleep", SLEEP)
    peer.lease_s = 1.5
    await start(slots=3)

    orders = [await peer.order("sleep", {"seconds": 4}) for _ in range(3)]

    await peer.until(lambda: any(len(request.tokens) == 3 for request in peer.renewals))
    results = [await peer.result_of(order) for order in orders]
    assert all(result.failure is None for result in results)  # longer than two leases


async def test_attempt_that_is_no_longer_held_is_killed_and_not_reported(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("sleep", SLEEP)
    peer.lease_s = 1.5
    started: Started = await start()
    order = await peer.order("sleep")
    token = await peer.claimed(order)
    await peer.until(lambda: "started" in peer.text_of(order))

    peer.lost.add(token)
    await peer.until(lambda: token in {t for request in peer.renewals for t in request.tokens})

    await _until_idle(started)
    assert peer.results == []


async def test_runner_that_cannot_renew_kills_before_the_lease_ends(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("sleep", SLEEP)
    peer.lease_s = 2.0
    started: Started = await start()
    order = await peer.order("sleep")
    await peer.until(lambda: "started" in peer.text_of(order))
    claimed_at = time.monotonic()

    peer.is_silent = True

    await _until_idle(started)
    assert time.monotonic() - claimed_at < 2 * peer.lease_s
    assert peer.results == []


@pytest.mark.parametrize("by_hint", [True, False], ids=["hint", "renewal"])
async def test_cancelled_attempt_is_reported_as_such(
    start: Start, peer: Peer, agents: Agents, by_hint: bool
) -> None:
    agents.add("sleep", SLEEP)
    peer.lease_s = 30.0 if by_hint else 1.5
    started: Started = await start()
    order = await peer.order("sleep")
    token = await peer.claimed(order)
    await peer.until(lambda: "started" in peer.text_of(order))

    if by_hint:
        await peer.hint_cancel(started.id, order)
    else:
        peer.cancelled.add(token)

    result = await peer.result_of(order)
    assert result.failure is not None
    assert result.failure.type == "Cancelled"


async def test_drain_lets_running_attempts_finish(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("sleep", SLEEP)
    started: Started = await start(slots=1)
    running = await peer.order("sleep", {"seconds": 1})
    await peer.until(lambda: "started" in peer.text_of(running))
    await peer.order("sleep", node="waiting")

    started.stop.tell()
    await started.task

    result = await peer.result_of(running)
    assert result.failure is None
    assert await peer.waiting() == 1
    assert peer.hellos[-1].leaving


async def test_drain_reports_what_does_not_finish_as_temporary(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("sleep", SLEEP)
    started: Started = await start(drain_grace_s=0.2)
    order = await peer.order("sleep")
    await peer.until(lambda: "started" in peer.text_of(order))

    started.stop.tell()
    await started.task

    result = await peer.result_of(order)
    assert result.failure is not None
    assert result.failure.error_class is ErrorClass.TEMPORARY
    assert result.failure.retryable


async def test_second_signal_ends_a_drain_at_once(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("sleep", SLEEP)
    started: Started = await start(drain_grace_s=60)
    order = await peer.order("sleep")
    await peer.until(lambda: "started" in peer.text_of(order))

    started.stop.tell()
    started.stop.tell()
    async with asyncio.timeout(5):
        await started.task

    result = await peer.result_of(order)
    assert result.failure is not None
    assert result.failure.error_class is ErrorClass.TEMPORARY


async def test_results_survive_an_absent_bus(
    start: Start, peer: Peer, agents: Agents, own_nats: Nats
) -> None:
    agents.add("sleep", SLEEP)
    started: Started = await start()
    order = await peer.order("sleep", {"seconds": 1})
    await peer.until(lambda: "started" in peer.text_of(order))

    own_nats.kill()
    async with asyncio.timeout(20):
        await started.runner.worker.idle()
    assert len(started.runner.results) == 1
    own_nats.start()

    result = await peer.result_of(order)
    assert result.failure is None


async def test_runner_announces_what_it_offers(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("quick", QUICK, description="says nothing")

    await start(slots=3)
    await peer.until(lambda: bool(peer.hellos))

    hello = peer.hellos[0]
    assert (hello.runner, hello.pool, hello.slots, hello.tier) == ("runner-1", "default", 3, "bwrap")
    assert [(offer.name, offer.description) for offer in hello.agents] == [("quick", "says nothing")]


async def test_runner_whose_sandbox_does_not_hold_says_so_and_takes_no_work(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("quick", QUICK)
    escape = Check("read the host's files", held=False, detail="/etc/shadow", hint="use tier bwrap")
    await peer.order("quick")

    started: Started = await start(report=Report(Tier.BWRAP, (escape,)))
    await peer.until(lambda: bool(peer.hellos))
    await peer.bus.client.flush()

    assert started.runner.pull is None
    assert peer.hellos[0].slots == 0
    assert "use tier bwrap" in (peer.hellos[0].agents[0].error or "")
    assert peer.claims == []
    assert await peer.waiting() == 1


async def _until_idle(started: Started) -> None:
    async with asyncio.timeout(20):
        await started.runner.worker.idle()
    assert len(started.runner.held) == 0
