"""Gauges show what the database and the bus hold now, and forget what is gone."""

import asyncpg
import pytest
from nats.js.api import ConsumerConfig

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptSucceeded, LeaseLapsed
from orchestrator.engine.bus_gauges import BusGauges
from orchestrator.engine.gauges import DatabaseGauges
from penstock.bus.connection import Bus
from penstock.bus.streams import declare_consumer
from penstock.contracts.errors import NotFound
from penstock.contracts.subjects import ready_consumer
from penstock.telemetry.operations import measured
from tests.engine.conftest import World, chain
from tests.telemetry.samples import labels_of, value


@pytest.fixture
def look(world: World) -> DatabaseGauges:
    return DatabaseGauges(world.pool, world.engine.plans, world.relay, world.engine.observer)


async def test_runs_and_the_attempts_that_wait_for_a_runner_are_shown_by_pool(
    world: World, look: DatabaseGauges
) -> None:
    await world.define(chain("pair", pool="gpu"))
    for _ in range(2):
        await world.start("pair")
    run = (await world.start("pair")).run_id
    await world.claim(run, "n0")
    await world.pool.execute("update node set ready_at = ready_at - interval '1 hour' where state = 'ready'")

    await look()

    assert value("penstock_runs_open", project="default", state="running") == 3
    assert value("penstock_ready_nodes", pool="gpu") == 2
    assert value("penstock_ready_oldest_seconds", pool="gpu") == pytest.approx(3600, abs=30)
    assert value("penstock_database_up") == 1


async def test_a_pool_with_work_and_no_runner_has_none_and_one_without_either_is_not_shown(
    world: World, look: DatabaseGauges
) -> None:
    await world.define(chain("pair", pool="gpu"))
    run = (await world.start("pair")).run_id
    await look()
    assert {"pool": "gpu"} in labels_of("penstock_pool_runners")
    assert value("penstock_pool_runners", pool="gpu") == 0

    await _runner(world.pool, "one", "gpu")
    await _runner(world.pool, "silent", "gpu", seen="2 minutes")
    await _runner(world.pool, "loose", "gpu", slots=0)
    await look()
    assert value("penstock_pool_runners", pool="gpu") == 1

    await world.pool.execute("update runner set left_at = now()")
    await world.succeed(run, "n0")
    await world.succeed(run, "n1")
    await look()
    assert labels_of("penstock_pool_runners") == []
    assert labels_of("penstock_ready_nodes") == []
    assert labels_of("penstock_runs_open") == []


async def test_a_pool_whose_only_runner_died_has_none(world: World, look: DatabaseGauges) -> None:
    await _runner(world.pool, "silent", "default", seen="2 minutes")
    await _runner(world.pool, "long-gone", "attic", seen="3 hours")

    await look()

    assert labels_of("penstock_pool_runners") == [{"pool": "default"}]
    assert value("penstock_pool_runners", pool="default") == 0


async def test_the_state_of_breakers_is_shown_until_they_are_gone(world: World, look: DatabaseGauges) -> None:
    await world.pool.execute(
        "insert into breaker (project, key, state, opened_at) values"
        " ('default', 'dependency/llm', 'open', now()), ('default', 'dependency/git', 'closed', null)"
    )
    await look()
    assert value("penstock_breaker_state", project="default", breaker="dependency/llm") == 2
    assert value("penstock_breaker_state", project="default", breaker="dependency/git") == 0

    await world.pool.execute("delete from breaker where key = 'dependency/llm'")
    await look()
    assert labels_of("penstock_breaker_state") == [{"project": "default", "breaker": "dependency/git"}]


async def test_events_that_did_not_get_on_the_bus_are_a_lag(world: World, look: DatabaseGauges) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    await world.relay.drain()
    await look()
    assert value("penstock_relay_lag_seconds") < 5

    await world.pool.execute(
        "update run set published = 0, changed_at = now() - interval '1 hour' where id = $1", run
    )
    await look()

    assert value("penstock_relay_lag_seconds") == pytest.approx(3600, abs=30)


async def test_how_long_a_run_took_that_another_orchestrator_began_is_read(
    world: World, second_world: World
) -> None:
    await world.define(chain("handed-over"))
    run = (await world.start("handed-over")).run_id
    await world.pool.execute("update run set created_at = now() - interval '1 hour' where id = $1", run)
    await second_world.succeed(run, "n0")
    await second_world.succeed(run, "n1")
    labels = {"project": "default", "workflow": "handed-over", "outcome": "succeeded"}
    assert value("penstock_run_duration_seconds_count", **labels) == 0

    engine = second_world.engine
    await DatabaseGauges(second_world.pool, engine.plans, second_world.relay, engine.observer)()

    assert value("penstock_run_duration_seconds_count", **labels) == 1
    assert value("penstock_run_duration_seconds_sum", **labels) == pytest.approx(3600, abs=30)


async def test_a_database_that_is_away_shows_nothing_but_that(world: World) -> None:
    await world.define(chain("pair"))
    await world.start("pair")
    pool = await asyncpg.create_pool(world.pool._connect_args[0], min_size=1, max_size=1)
    look = DatabaseGauges(pool, world.engine.plans, world.relay, world.engine.observer)
    await look()
    assert labels_of("penstock_ready_nodes")

    await pool.close()
    await look()

    assert value("penstock_database_up") == 0
    assert labels_of("penstock_ready_nodes") == []


async def test_a_database_that_does_not_answer_is_shown_as_away_before_its_driver_gives_up(
    world: World,
) -> None:
    look = DatabaseGauges(world.pool, world.engine.plans, world.relay, world.engine.observer, patience_s=0.2)

    async with world.pool.acquire() as holder, holder.transaction():
        await holder.execute("lock table breaker")
        await look()
        away = value("penstock_database_up")
    await look()

    assert (away, value("penstock_database_up")) == (0, 1)


async def test_operations_of_the_store_are_timed_under_their_names(world: World) -> None:
    before = value("penstock_database_operation_seconds_count", operation="save")
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    await world.claim(run, "n0")

    assert value("penstock_database_operation_seconds_count", operation="save") == before + 1
    assert value("penstock_database_operation_seconds_count", operation="start") > 0


async def test_an_operation_that_failed_is_counted_and_a_refusal_is_not(world: World) -> None:
    def failures(operation: str) -> float:
        return value("penstock_database_errors_total", operation=operation)

    @measured
    async def breaks() -> None:
        await world.pool.execute("select 1 / 0")

    @measured
    async def refuses() -> None:
        raise NotFound("run", "x")

    for operation in (breaks, refuses):
        with pytest.raises((asyncpg.DivisionByZeroError, NotFound)):
            await operation()

    assert failures(breaks.__qualname__) == 1
    assert failures(refuses.__qualname__) == 0


async def test_a_result_of_an_attempt_that_somebody_else_has_ended_is_late(world: World) -> None:
    before = value("penstock_results_late_total")
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token = await world.claim(run, "n0")
    lapsed = LeaseLapsed("n0", 1, token, 0.0)
    assert await world.engine.handle([(run, lapsed)]) == [Outcome.APPLIED]

    answers = await world.engine.handle([(run, AttemptSucceeded("n0", 1, token, b"{}"))])

    assert answers == [Outcome.LATE]
    assert value("penstock_results_late_total") == before + 1


async def test_what_waits_on_the_bus_is_shown_for_durable_consumers_alone(world: World) -> None:
    jetstream = world.bus.client.jetstream()
    await declare_consumer(
        jetstream, stream="NODES", durable=ready_consumer("gpu"), subject="penstock.node.ready.gpu.>"
    )
    await jetstream.add_consumer("EVENTS", ConsumerConfig(name="a-random-name", inactive_threshold=60.0))
    await world.define(chain("pair", pool="gpu"))
    await world.start("pair")
    await world.relay.drain()

    await BusGauges(world.bus)()

    assert value("penstock_bus_up") == 1
    assert value("penstock_bus_pending_messages", stream="NODES", consumer=ready_consumer("gpu")) >= 1
    assert value("penstock_bus_stream_messages", stream="EVENTS") >= 2
    assert value("penstock_bus_stream_bytes", stream="EVENTS") > 0
    consumers = {labels["consumer"] for labels in labels_of("penstock_bus_ack_pending_messages")}
    assert "a-random-name" not in consumers


async def test_a_bus_that_is_away_has_no_figures(world: World) -> None:
    await BusGauges(world.bus)()
    assert labels_of("penstock_bus_stream_bytes")
    away = Bus(type(world.bus.client)(), inbox="_INBOX_nobody")  # never connected

    await BusGauges(away)()

    assert value("penstock_bus_up") == 0
    assert labels_of("penstock_bus_stream_bytes") == []


async def _runner(pool: asyncpg.Pool, id_: str, of: str, *, seen: str = "0 seconds", slots: int = 4) -> None:
    await pool.execute(
        "insert into runner (id, pool, host, slots, tier, agents, seen_at)"
        " values ($1, $2, 'here', $3, 'bwrap', '[]', now() - $4::text::interval)",
        id_,
        of,
        slots,
        seen,
    )
