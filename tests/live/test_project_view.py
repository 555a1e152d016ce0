"""A project's live view: from now on or from a position, of what was asked for, at the pace of its reader."""

import asyncio
import socket
from typing import Any

import pytest
import websockets

from orchestrator.engine import feed
from orchestrator.engine.frames import FRAMES_WAITING_MAX
from orchestrator.engine.places import Places
from penstock.bus.connection import connect
from penstock.contracts.errors import Unavailable
from penstock.contracts.limits import LIVE_VIEWS_PER_WORKFLOW_MAX
from penstock.contracts.wire import encode
from penstock.http.sockets import Sockets
from penstock_cli.embedded.nats import Nats
from tests.live.conftest import Orchestrator, received
from tests.servers import TESTER

FLOOD = 4 * FRAMES_WAITING_MAX


async def test_a_project_is_told_from_now_on(orchestrator: Orchestrator) -> None:
    await orchestrator.run_and_end()
    viewer = await orchestrator.watch("/live")
    stranger = await orchestrator.watch("/live", project="another")

    run = await orchestrator.run_and_end()
    events = await received(viewer, 4)

    assert {event["id"].partition("/")[0] for event in events} == {run}
    await stranger.close()
    assert await received(stranger) == []


async def test_a_reader_that_comes_back_has_missed_nothing(orchestrator: Orchestrator) -> None:
    viewer = await orchestrator.watch("/live")
    start = viewer.response.headers["x-penstock-position"]
    runs = [await orchestrator.run_and_end() for _ in range(3)]
    every = await received(await orchestrator.watch(f"/live?after={start}"), 3 * 5)
    (first,) = await received(viewer, 1)
    await viewer.close()

    rest = await orchestrator.watch(f"/live?after={first['position']}")

    assert [first, *await received(rest, 3 * 5 - 1)] == every
    assert {event["id"].partition("/")[0] for event in every} == set(runs)


async def test_only_what_was_asked_for_is_told(orchestrator: Orchestrator) -> None:
    start = (await orchestrator.watch("/live")).response.headers["x-penstock-position"]
    kinds = "kind=run.started&kind=run.cancelled"
    live = await orchestrator.watch(f"/live?workflow=greet&{kinds}")
    other = await orchestrator.watch("/live?workflow=other")
    await orchestrator.run_and_end()

    later = await orchestrator.watch(f"/live?workflow=greet&{kinds}&after={start}")

    expected = ["penstock.run.started", "penstock.run.cancelled"]
    assert [event["type"] for event in await received(live, 2)] == expected
    assert [event["type"] for event in await received(later, 2)] == expected
    await other.close()
    assert await received(other) == []


async def test_a_browser_names_its_project_in_the_address(orchestrator: Orchestrator) -> None:
    viewer = await orchestrator.watch(f"/live?project={orchestrator.project}", project="default")

    run = await orchestrator.run_and_end()

    assert (await received(viewer, 1))[0]["id"].startswith(run)


async def test_a_position_of_a_stream_that_was_lost_is_its_beginning(orchestrator: Orchestrator) -> None:
    run = await orchestrator.run_and_end()

    viewer = await orchestrator.watch("/live?after=1-1000000")

    assert (await received(viewer, 1))[0]["id"] == f"{run}/1"


async def test_a_slow_reader_is_closed_and_comes_back_without_loss(
    orchestrator: Orchestrator, nats_server: Nats
) -> None:
    slow = await orchestrator.watch("/live", sock=narrow(orchestrator), max_queue=1, ping_interval=None)
    quick = await orchestrator.watch("/live")
    reading = asyncio.create_task(received(quick, FLOOD))

    await flood(nats_server, orchestrator.project)
    await reading
    events = await received(slow)
    assert (slow.close_code, 0 < len(events) < FLOOD) == (1013, True)
    rest = await orchestrator.watch(f"/live?after={events[-1]['position']}")

    events += await received(rest, FLOOD - len(events))
    assert [event["data"]["n"] for event in events] == list(range(FLOOD))


async def test_a_position_that_the_stream_has_lost_hides_nothing_new(orchestrator: Orchestrator) -> None:
    begin = (await orchestrator.watch("/live")).response
    assert begin is not None, "it was accepted"
    stream, _, sequence = begin.headers["x-penstock-position"].partition("-")
    viewer = await orchestrator.watch(f"/live?after={stream}-{int(sequence) + 1_000}")

    run = await orchestrator.run_and_end()

    assert (await received(viewer, 1))[0]["id"] == f"{run}/1"


async def test_a_burst_before_its_readers_leaves_others_their_turns(
    orchestrator: Orchestrator, nats_server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_in_turn, send = [0], Sockets.send

    async def counted(socket: Sockets, message: Any) -> None:
        sent_in_turn[-1] += message["type"] == "websocket.send"
        await send(socket, message)

    async def count_turns() -> None:
        while True:
            await asyncio.sleep(0)
            sent_in_turn.append(0)

    monkeypatch.setattr(Sockets, "send", counted)
    monkeypatch.setattr(feed, "FRAMES_IN_TURN", 2)
    viewers = [await orchestrator.watch("/live") for _ in range(2)]
    turns = asyncio.create_task(count_turns())
    await flood(nats_server, orchestrator.project)
    seen = [await received(viewer, FLOOD) for viewer in viewers]
    turns.cancel()

    assert [[event["data"]["n"] for event in events] for events in seen] == [list(range(FLOOD))] * 2
    assert max(sent_in_turn) <= 4  # what was put in one turn is sent in the next, or in the one after it


def narrow(orchestrator: Orchestrator) -> socket.socket:
    """A connection whose system takes little from a server while its program does not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    host, _, port = orchestrator.url.removeprefix("ws://").partition("/")[0].partition(":")
    connection.connect((host, int(port)))
    connection.setblocking(False)
    return connection


async def flood(nats_server: Nats, project: str) -> None:
    """Many large events, faster than a narrow connection takes them."""
    login = nats_server.login(TESTER)
    run = "0199a000-0000-7000-8000-000000000000"
    event: dict[str, Any] = {
        "specversion": "1.0",
        "time": "2026-11-21T12:00:00Z",
        "type": "penstock.node.ready",
    }
    async with connect(url=nats_server.url, user=login.user, password=login.password, name="flood") as bus:
        for n in range(FLOOD):
            data = {"n": n, "text": "x" * 2_000}
            payload = encode({**event, "id": f"{run}/{n + 1}", "data": data})
            await bus.client.publish(f"penstock.event.{project}.greet.node.ready", payload)
        await bus.client.flush()


async def test_a_workflow_has_so_many_places(orchestrator: Orchestrator) -> None:
    viewers = [await orchestrator.watch("/live?workflow=greet") for _ in range(LIVE_VIEWS_PER_WORKFLOW_MAX)]
    run = (await orchestrator.start())["id"]

    with pytest.raises(websockets.InvalidStatus) as refused:
        await orchestrator.watch(f"/runs/{run}/live")
    everything = await orchestrator.watch("/live")
    await viewers.pop().close()
    again = await until_admitted(orchestrator, f"/runs/{run}/live")

    assert refused.value.response.status_code == 503
    assert "100 live views of workflow 'greet'" in refused.value.response.body.decode()
    assert refused.value.response.headers["retry-after"]
    assert len(await received(again, 1)) == 1
    await everything.close()


async def until_admitted(orchestrator: Orchestrator, path: str) -> Any:
    """The server notices a moment later that a viewer has left."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await orchestrator.watch(path)
            except websockets.InvalidStatus:
                await asyncio.sleep(0.01)


def test_there_are_so_many_places_in_all() -> None:
    places = Places(views_max=2, per_workflow_max=2)

    with places.one("default", "greet"), places.one("default", None):
        with pytest.raises(Unavailable, match="2 live views are open here"):
            places.refuse_when_full()
        with pytest.raises(Unavailable, match="2 live views are open here"), places.one("other", None):
            pass
    places.refuse_when_full()
