"""Traces of runs that several orchestrators have a part in, and of runs that nobody asked for over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import msgspec
import pytest
from nats.aio.msg import Msg

from orchestrator.engine.span_contexts import attempt_span_id, run_span_id
from penstock.bus.connection import connect
from penstock.contracts.messages import StartNode
from penstock.contracts.timeline import CloudEvent
from penstock.telemetry.traceparent import TraceParent, parse_traceparent
from penstock.telemetry.tracing import Tracing, open_tracing
from penstock_cli.embedded.nats import Nats
from tests.engine.conftest import World, chain, open_world
from tests.otlp import Collector
from tests.servers import TESTER

ABOVE = TraceParent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def tracing(collector: Collector) -> Iterator[Tracing]:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "10",
    }
    opened = open_tracing("orchestrator", instance="tested", environment=environment)
    yield opened
    opened.close()


@pytest.fixture
async def traced(database: str, nats_server: Nats, tracing: Tracing) -> AsyncIterator[World]:
    async with open_world(database, nats_server, tracing) as opened:
        await opened.define(chain("pair"))
        yield opened


async def test_who_commits_the_end_tells_the_whole_run(
    traced: World, database: str, nats_server: Nats, tracing: Tracing, collector: Collector
) -> None:
    run = (await traced.start("pair", traceparent=str(ABOVE))).run_id
    await traced.succeed(run, "n0")

    async with open_world(database, nats_server, tracing) as other:
        await other.succeed(run, "n1")
        await collector.until(lambda: len(collector.of_run(str(run))) >= 7)

    names = sorted(span.name for span in collector.of_run(str(run)))
    assert names == ["attempt 1"] * 2 + ["node n0", "node n1"] + ["queue default"] * 2 + ["run pair"]
    (whole,) = [span for span in collector.spans if span.name == "run pair"]
    assert (whole.trace, whole.parent, whole.id) == (ABOVE.trace_id, ABOVE.span_id, run_span_id(run))


async def test_a_run_that_no_request_began_is_the_root_of_a_trace_of_its_own(
    traced: World, collector: Collector
) -> None:
    run = (await traced.start("pair")).run_id
    await traced.succeed(run, "n0")
    await traced.succeed(run, "n1")

    await collector.until(lambda: any(span.name == "run pair" for span in collector.spans))

    (whole,) = [span for span in collector.spans if span.name == "run pair"]
    kept = parse_traceparent((await traced.run(run))["traceparent"])
    assert kept is not None
    assert (whole.parent, whole.trace, whole.id) == ("", kept.trace_id, kept.span_id)


async def test_offers_name_their_attempt_and_events_their_run(traced: World, nats_server: Nats) -> None:
    offers, events = await _heard(traced, "pair", nats_server, traceparent=str(ABOVE))

    run = offers[0].run
    assert offers[0].traceparent == str(ABOVE.child(attempt_span_id(run, "n0", 1)))
    assert {event.traceparent for event in events} == {str(ABOVE.child(run_span_id(run)))}


async def test_without_traces_of_our_own_what_the_client_sent_is_handed_on(
    world: World, nats_server: Nats
) -> None:
    await world.define(chain("pair"))

    offers, events = await _heard(world, "pair", nats_server, traceparent=str(ABOVE))

    assert {message.traceparent for message in (*offers, *events)} == {str(ABOVE)}


async def _heard(
    world: World, workflow: str, nats: Nats, **fields: object
) -> tuple[list[StartNode], list[CloudEvent]]:
    """What is offered and told of a run that has just begun."""
    login = nats.login(TESTER)
    offers: list[StartNode] = []
    events: list[CloudEvent] = []
    told = asyncio.Event()

    async with connect(url=nats.url, user=login.user, password=login.password, name="listener") as bus:

        async def hear(message: Msg) -> None:
            if message.subject.startswith("penstock.node.ready"):
                offers.append(msgspec.json.decode(message.data, type=StartNode))
            else:
                events.append(msgspec.json.decode(message.data, type=CloudEvent))
            if offers and len(events) >= 2:
                told.set()

        await bus.client.subscribe("penstock.node.ready.>", cb=hear)
        await bus.client.subscribe("penstock.event.>", cb=hear)
        await bus.client.flush()
        run: UUID = (await world.start(workflow, **fields)).run_id
        await asyncio.wait_for(told.wait(), 20)
    assert {offer.run for offer in offers} == {run}
    return offers, events
