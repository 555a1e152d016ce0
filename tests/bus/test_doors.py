"""Door 2 over a real bus: requests are answered, results become commits, garbage becomes dead letters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from nats.aio.client import Client

from orchestrator.bus import asyncapi
from orchestrator.bus.control import ControlDoor
from orchestrator.bus.logs import LogsDoor
from orchestrator.bus.requests import Requests
from orchestrator.bus.results import ResultsDoor
from orchestrator.bus.rpc import RpcDoor
from orchestrator.engine.attempt_stores import AttemptStores
from orchestrator.engine.registry import RunnerRegistry
from orchestrator.store.composed import open_database
from penstock.bus.connection import connect
from penstock.contracts import subjects
from penstock.contracts.agent import AgentOffer
from penstock.contracts.messages import (
    CheckpointAnswer,
    CheckpointLoad,
    CheckpointSave,
    Claim,
    ClaimAnswer,
    ClaimRequest,
    Hello,
    LogLine,
    LogLines,
    Progress,
    RenewAnswer,
    RenewRequest,
    Result,
    Results,
)
from penstock.contracts.store_messages import (
    StoreOperation,
    StoreQuery,
    StoreRead,
    StoreUndo,
    StoreWrite,
    StoreWriteAnswer,
)
from penstock.contracts.wire import decode, encode, raw
from penstock.service import end
from penstock_cli.embedded.nats import Nats
from tests.engine.conftest import World, chain, open_world
from tests.servers import TESTER

STORE_CALLS = ("store-read", "store-write", "store-undo")

GARBAGE = (
    b"",
    b"\x00\xff",
    b"null",
    b"[1,2]",
    b'{"runner": 7}',
    b"{" * 1000,
    b'{"runner":"r","results":[{}]}',
)


@pytest.fixture
async def world(database: str, own_nats: Nats) -> AsyncIterator[World]:
    async with open_world(database, own_nats) as opened, doors(opened, database):
        yield opened


@asynccontextmanager
async def doors(world: World, database: str) -> AsyncIterator[None]:
    connections = open_database(database)
    registry = RunnerRegistry(world.pool)
    requests = Requests(world.bus, registry)
    results, logs = ResultsDoor(world.bus, world.engine, registry), LogsDoor(world.bus, registry)
    await results.declare()
    await logs.declare()
    await RpcDoor(requests, world.engine).open()
    await ControlDoor(world.bus, requests, registry, AttemptStores(connections)).open()
    loops = [asyncio.create_task(results.run()), asyncio.create_task(logs.run())]
    yield
    await end(*loops)
    await connections.dispose()


@pytest.fixture
async def runner(own_nats: Nats) -> AsyncIterator[Client]:
    """A connection that may do anything, also what no runner may."""
    login = own_nats.login(TESTER)
    async with connect(url=own_nats.url, user=login.user, password=login.password, name="villain") as bus:
        yield bus.client


async def claim(runner: Client, run: UUID, node: str = "n0") -> tuple[UUID, bool]:
    token = uuid4()
    request = ClaimRequest("runner-1", (Claim(run, node, 1, token),))
    answer = await runner.request(subjects.rpc("default", "claim"), encode(request), timeout=5)
    return token, decode(answer.data, ClaimAnswer).granted[0]


async def report(runner: Client, *results: Result) -> None:
    await runner.jetstream().publish(subjects.done("default"), encode(Results("runner-1", results)))


async def until_node(world: World, run: UUID, node: str, state: str) -> None:
    async with asyncio.timeout(10):
        while (row := await world.node(run, node)) is None or row["state"] != state:
            await asyncio.sleep(0.02)


async def until_dead_letters(world: World, count: int) -> None:
    async with asyncio.timeout(10):
        while await world.pool.fetchval("select count(*) from dead_letter") < count:
            await asyncio.sleep(0.02)


async def test_a_claim_is_granted_once_renewed_and_completed(world: World, runner: Client) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id

    token, granted = await claim(runner, run)
    _, second = await claim(runner, run)
    renewal = await runner.request(
        subjects.rpc("default", "renew"), encode(RenewRequest("runner-1", (token, uuid4()))), timeout=5
    )
    await report(runner, Result(run, "n0", 1, token, output=raw(b'{"value": 3}')))
    await until_node(world, run, "n1", "ready")

    assert (granted, second) == (True, False)
    assert decode(renewal.data, RenewAnswer).held == (token,)
    assert (await world.node(run, "n1"))["input"] == '{"value":3}'


async def test_a_runner_of_another_pool_gets_no_attempt(world: World, runner: Client) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    request = encode(ClaimRequest("runner-gpu", (Claim(run, "n0", 1, uuid4()),)))

    answer = await runner.request(subjects.rpc("gpu", "claim"), request, timeout=5)

    assert decode(answer.data, ClaimAnswer).granted == (False,)
    assert (await claim(runner, run))[1]


async def test_garbage_on_every_subject_becomes_dead_letters_and_disturbs_nothing(
    world: World, runner: Client
) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token, _ = await claim(runner, run)
    calls = ("claim", "renew", "announce", "checkpoint-save", "checkpoint-load", "progress", *STORE_CALLS)

    for payload in GARBAGE:
        for call in calls:
            await runner.publish(subjects.rpc("default", call), payload, reply="_INBOX_tester.x")
        await runner.jetstream().publish(subjects.done("default"), payload)
        await runner.jetstream().publish(subjects.log("default"), payload)
    await report(runner, Result(run, "n0", 1, token, output=raw(b'{"value": 3}')))
    await until_node(world, run, "n1", "ready")

    expected = len(GARBAGE) * (len(calls) + 2)
    await until_dead_letters(world, expected)
    assert await world.pool.fetchval("select count(*) from dead_letter") == expected
    assert await world.pool.fetchval("select count(*) from dead_letter where reason = ''") == 0


async def test_a_result_for_an_unknown_run_or_node_is_buried_and_its_neighbour_commits(
    world: World, runner: Client
) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token, _ = await claim(runner, run)
    output = raw(b'{"value": 3}')

    await report(
        runner,
        Result(uuid4(), "n0", 1, uuid4(), output=output),
        Result(run, "nobody", 1, uuid4(), output=output),
        Result(run, "n0", 1, token, output=output),
    )
    await until_node(world, run, "n0", "succeeded")
    await until_dead_letters(world, 2)

    reasons = [row["reason"] for row in await world.pool.fetch("select reason from dead_letter order by id")]
    assert len(reasons) == 2
    assert reasons[0].startswith("no run ")
    assert "nobody" in reasons[1]


async def test_values_that_no_column_can_hold_are_buried_and_their_neighbours_commit(
    world: World, runner: Client
) -> None:
    """What decodes may still be poison: each must go once, and take nobody along."""
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token, _ = await claim(runner, run)
    huge, now = 2**40, datetime.now(UTC)
    good = LogLines(run, "n0", 1, 1, (LogLine(now, "good"),))
    poison = (
        LogLines(run, "n0", 1, huge, (LogLine(now, "far"),)),
        LogLines(run, "n0", huge, 1, (LogLine(now, "late"),)),
        LogLines(run, "n\x00", 1, 1, (LogLine(now, "nul"),)),
        LogLines(run, "n0", 1, 2, (LogLine(now, "nul", "st\x00"),)),
    )

    for lines in (*poison[:2], good, *poison[2:]):
        await runner.jetstream().publish(subjects.log("default"), encode(lines))
    strange = ClaimRequest("runner-1", (Claim(run, "n\x00", huge, uuid4()), Claim(run, "n1", huge, uuid4())))
    await runner.request(subjects.rpc("default", "claim"), encode(strange), timeout=5)
    for progress in (
        Progress(run, "n0", 1, token, 1.0, None, "nul\x00"),
        Progress(run, "n0", huge, token, 1.0),
        Progress(run, "n0", 1, token, 3.0, 4.0, "good"),
    ):
        await runner.publish(subjects.rpc("default", "progress"), encode(progress))
    async with asyncio.timeout(10):  # of an attempt that has ended, progress means nothing
        while not await world.pool.fetchval("select count(*) from node_progress where run_id = $1", run):
            await asyncio.sleep(0.02)
    await report(
        runner,
        Result(run, "n0", huge, token, output=raw(b"1")),
        Result(run, "nobody", 1, token, output=raw(b"1")),
        Result(run, "n0", 1, token, output=raw(b'{"value": 3}')),
    )
    await until_node(world, run, "n1", "ready")
    async with asyncio.timeout(10):
        while not await world.pool.fetchval("select count(*) from node_log where text = 'good'"):
            await asyncio.sleep(0.02)
    await until_dead_letters(world, len(poison) + 3)  # and two of progress, and nobody's result
    for stream, consumer in (("LOGS", subjects.CONSUMER_LOGS), ("RESULTS", subjects.CONSUMER_RESULTS)):
        async with asyncio.timeout(10):
            while (await runner.jetstream().consumer_info(stream, consumer)).num_ack_pending:
                await asyncio.sleep(0.02)

    told = await world.pool.fetchval("select message from node_progress where run_id = $1", run)
    assert told == "good"


async def test_results_that_come_twice_and_out_of_order_count_once(world: World, runner: Client) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token, _ = await claim(runner, run)
    result = Result(run, "n0", 1, token, output=raw(b'{"value": 3}'))

    for _ in range(5):
        await report(runner, result, result)
    await until_node(world, run, "n0", "succeeded")

    assert (await world.kinds(run)).count("node.succeeded") == 1


async def test_an_announcement_registers_the_runner_and_declares_its_pool(
    world: World, runner: Client
) -> None:
    hello = Hello(runner="r-1", pool="gpu", host="here", slots=4, tier="bwrap", agents=())

    await runner.request(subjects.rpc("gpu", "announce"), encode(hello), timeout=5)

    assert await world.pool.fetchval("select pool from runner where id = 'r-1'") == "gpu"
    assert await filters(runner, "pool-gpu") == ["penstock.node.ready.gpu._"]


async def test_a_pools_consumer_takes_what_its_living_runners_can_run(world: World, runner: Client) -> None:
    ears = AgentOffer(name="ears", version="1.0.0", input={"pattern": "^[^\x00]*$"})
    eyes = AgentOffer(name="eyes", version="1.0.0")
    broken = AgentOffer(name="broken", version="1.0.0", error="no such file")
    first = Hello(runner="r-1", pool="gpu", host="here", slots=4, tier="bwrap", agents=(ears, broken))
    second = Hello(runner="r-2", pool="gpu", host="here", slots=4, tier="bwrap", agents=(eyes, ears))

    seen = []
    for hello in (first, second, replace(second, leaving=True)):
        await runner.request(subjects.rpc("gpu", "announce"), encode(hello), timeout=5)
        seen.append(await filters(runner, "pool-gpu"))

    ears_only = ["penstock.node.ready.gpu.ears"]
    assert seen == [ears_only, ["penstock.node.ready.gpu.ears", "penstock.node.ready.gpu.eyes"], ears_only]


async def test_what_nobody_can_run_waits_in_the_stream_and_stands_in_nobodys_way(
    world: World, runner: Client
) -> None:
    def hello(*agents: str) -> bytes:
        offers = tuple(AgentOffer(name=name, version="1.0.0") for name in agents)
        return encode(Hello(runner="r-1", pool="gpu", host="here", slots=4, tier="bwrap", agents=offers))

    await runner.request(subjects.rpc("gpu", "announce"), hello("echo"), timeout=5)
    pull = await runner.jetstream().pull_subscribe_bind("pool-gpu", "NODES")
    for agent in ("nobody", "nobody", "nobody", "echo"):
        await runner.jetstream().publish(subjects.ready("gpu", agent), agent.encode())

    offered = await pull.fetch(4, timeout=1)
    await asyncio.gather(*(message.ack() for message in offered))
    await runner.request(subjects.rpc("gpu", "announce"), hello("echo", "nobody"), timeout=5)
    then = await pull.fetch(4, timeout=5)

    assert [message.data for message in offered] == [b"echo"]
    assert [message.data for message in then] == [b"nobody"] * 3


async def test_a_pool_cannot_be_made_to_take_other_subjects(world: World, runner: Client) -> None:
    star = AgentOffer(name="*", version="1.0.0")
    hello = Hello(runner="r-1", pool="gpu", host="here", slots=4, tier="bwrap", agents=(star,))

    await runner.publish(subjects.rpc("gpu", "announce"), encode(hello), reply="_INBOX_tester.x")
    await until_dead_letters(world, 1)

    assert await world.pool.fetchval("select count(*) from runner") == 0


async def filters(runner: Client, durable: str) -> list[str]:
    config = (await runner.jetstream().consumer_info("NODES", durable)).config
    return config.filter_subjects or [config.filter_subject or ""]


async def test_a_checkpoint_is_kept_for_the_holder_alone(world: World, runner: Client) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token, _ = await claim(runner, run)
    save, load = subjects.rpc("default", "checkpoint-save"), subjects.rpc("default", "checkpoint-load")

    async def ask(subject: str, message: object) -> CheckpointAnswer:
        return decode((await runner.request(subject, encode(message), timeout=5)).data, CheckpointAnswer)

    stranger = await ask(save, CheckpointSave(run, "n0", 1, uuid4(), raw(b"[1]")))
    before = await ask(load, CheckpointLoad(run, "n0", 1, token))
    saved = await ask(save, CheckpointSave(run, "n0", 1, token, raw(b'{"page": 7}')))
    after = await ask(load, CheckpointLoad(run, "n0", 1, token))

    assert (stranger.held, before.held, before.value, saved.held) == (False, True, UNSET, True)
    assert bytes(after.value) == b'{"page": 7}'


async def test_nobody_is_answered_anywhere_but_in_an_inbox(world: World, runner: Client) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(message: object) -> None:
        heard.put_nowait(b"")

    await runner.subscribe("penstock.node.ready.default.echo", cb=hear)
    request = encode(RenewRequest("runner-1", ()))
    await runner.publish(subjects.rpc("default", "renew"), request, reply="penstock.node.ready.default.echo")
    answer = await runner.request(subjects.rpc("default", "renew"), request, timeout=5)

    assert decode(answer.data, RenewAnswer).held == ()
    assert heard.empty()


def test_the_published_asyncapi_document_is_current() -> None:
    committed = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
    assert committed.read_text() == asyncapi.document(), "run `make docs`"


async def test_a_store_is_asked_over_the_bus_and_what_no_column_can_hold_is_buried(
    world: World, runner: Client
) -> None:
    await world.define(chain("pair"))
    run = (await world.start("pair")).run_id
    token, _ = await claim(runner, run)
    attempt = (run, "n0", 1, token)
    write = StoreWrite(*attempt, "none", (StoreOperation("delete", "t", "k"),))
    poison = {
        "store-read": StoreRead(*attempt, "s", StoreQuery("t"), "k\x00"),
        "store-write": StoreWrite(run, "n0", 2**40, token, "s", ()),
        "store-undo": StoreUndo(*attempt, "s", "n\x00"),
    }

    for call, message in poison.items():
        await runner.publish(subjects.rpc("default", call), encode(message), reply="_INBOX_tester.x")
    answer = await runner.request(subjects.rpc("default", "store-write"), encode(write), timeout=5)
    await until_dead_letters(world, len(poison))

    said = decode(answer.data, StoreWriteAnswer)
    assert said.held
    assert said.refused is not None
    assert "no store named 'none'" in said.refused.detail
