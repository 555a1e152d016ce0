"""A run's live view: all of it, in order, once, whoever commits and whatever the bus repeats or loses."""

import shutil

import pytest
import websockets

from penstock.bus.connection import connect
from penstock.contracts.wire import encode
from penstock_cli.embedded.nats import Nats
from tests.live.conftest import Begin, Json, Orchestrator, orchestrator_on, received, seqs
from tests.servers import TESTER


def expect_whole(events: list[Json]) -> None:
    assert seqs(events) == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("penstock.run.started", "penstock.run.cancelled")


async def test_a_run_is_told_from_its_start_to_its_end(orchestrator: Orchestrator) -> None:
    run = (await orchestrator.start())["id"]
    viewer = await orchestrator.watch(f"/runs/{run}/live")
    first = await received(viewer, 1)

    await orchestrator.cancel(run)
    events = first + await received(viewer)

    expect_whole(events)
    assert (viewer.close_code, viewer.close_reason) == (1000, "run ended")


async def test_what_was_is_told_as_what_happens_is(orchestrator: Orchestrator) -> None:
    project = await orchestrator.watch("/live?workflow=greet")
    run = await orchestrator.run_and_end()

    afterwards = await received(await orchestrator.watch(f"/runs/{run}/live"))
    happening = await received(project, len(afterwards))

    expect_whole(afterwards)
    for event in happening:
        del event["position"]
    assert afterwards == happening


async def test_a_reader_goes_on_where_it_was(orchestrator: Orchestrator) -> None:
    run = await orchestrator.run_and_end()
    events = await received(await orchestrator.watch(f"/runs/{run}/live"))

    rest = await orchestrator.watch(f"/runs/{run}/live?after=2")
    nothing = await orchestrator.watch(f"/runs/{run}/live?after={len(events)}")

    assert await received(rest) == events[2:]
    assert await received(nothing) == []
    assert (rest.close_code, nothing.close_code) == (1000, 1000)


async def test_orchestrators_show_what_the_other_commits(orchestrator: Orchestrator, begin: Begin) -> None:
    other = await begin()
    run = (await orchestrator.start())["id"]
    viewers = [await each.watch(f"/runs/{run}/live") for each in (orchestrator, other)]

    await other.cancel(run)

    here, there = [await received(viewer) for viewer in viewers]
    expect_whole(here)
    assert here == there


async def test_repeated_and_overtaking_events_are_put_in_order(
    orchestrator: Orchestrator, nats_server: Nats
) -> None:
    run = (await orchestrator.start())["id"]
    viewer = await orchestrator.watch(f"/runs/{run}/live")
    first = await received(viewer, 2)
    login = nats_server.login(TESTER)

    async with connect(url=nats_server.url, user=login.user, password=login.password, name="villain") as bus:
        subject = f"penstock.event.{orchestrator.project}.greet.run.started"
        for seq in (2, 99, 1):
            await bus.client.jetstream().publish(subject, encode({**first[0], "id": f"{run}/{seq}"}))
    await orchestrator.cancel(run)

    expect_whole(first + await received(viewer))


async def test_what_the_bus_does_not_bring_the_database_tells(
    orchestrator: Orchestrator, database: str, own_nats: Nats, nats_server: Nats
) -> None:
    run = (await orchestrator.start())["id"]
    async with orchestrator_on(database, own_nats, project=orchestrator.project) as deaf:
        viewer = await deaf.watch(f"/runs/{run}/live")
        first = await received(viewer, 1)
        await orchestrator.cancel(run)  # its events are on the other bus

        await deaf.parts.live.look_for_laggards()
        await deaf.parts.live.look_for_laggards()

        expect_whole(first + await received(viewer))


async def test_a_bus_that_lost_everything_is_followed_again(
    orchestrator: Orchestrator, database: str, own_nats: Nats
) -> None:
    async with orchestrator_on(database, own_nats, project=orchestrator.project) as one:
        run = (await one.start())["id"]
        viewer = await one.watch(f"/runs/{run}/live")
        everything = await one.watch("/live")
        first = await received(viewer, 1)

        own_nats.stop()
        for folder in own_nats.folder.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)
        own_nats.start()
        await one.cancel(run)

        events = first + await received(viewer)
        expect_whole(events)
        last = ""
        seen = set()
        while last != events[-1]["id"]:
            last = (await received(everything, 1))[0]["id"]
            seen.add(last)
        assert seen >= {event["id"] for event in events[2:]}  # all since the bus is back


async def test_a_view_that_cannot_be_opened_is_refused_before_the_upgrade(
    orchestrator: Orchestrator,
) -> None:
    run = await orchestrator.run_and_end()
    refusals = {
        "/runs/0199a000-0000-7000-8000-000000000000/live": (404, "no run named"),
        "/runs/nonsense/live": (404, "no run named 'nonsense'"),
        f"/runs/{run}/live?project=other": (404, "no run named"),
        f"/runs/{run}/live?after=-1": (422, "after"),
        f"/runs/{run}/live?aftr=1": (422, "did you mean 'after'?"),
        "/live?after=nonsense": (422, "expected the `position` of an event"),
        "/live?kind=run.faild": (422, "did you mean 'run.failed'?"),
        "/live?project=No": (422, "project"),
        "/lives": (404, "no WebSocket at /api/v1/lives"),
    }
    for path, (status, detail) in refusals.items():
        with pytest.raises(websockets.InvalidStatus) as refused:
            await orchestrator.watch(path)

        response = refused.value.response
        assert (path, response.status_code) == (path, status)
        assert detail in response.body.decode()
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-request-id"] in response.body.decode()


async def test_a_server_that_stops_says_so_and_another_goes_on(
    orchestrator: Orchestrator, begin: Begin
) -> None:
    leaving = await begin()
    run = (await orchestrator.start())["id"]
    viewer = await leaving.watch(f"/runs/{run}/live")
    first = await received(viewer, 1)

    leaving.stop()
    first += await received(viewer)
    await orchestrator.cancel(run)
    rest = await orchestrator.watch(f"/runs/{run}/live?after={len(first)}")

    assert viewer.close_code == 1012
    expect_whole(first + await received(rest))


async def test_nobody_listens_to_a_viewer(orchestrator: Orchestrator) -> None:
    run = (await orchestrator.start())["id"]
    quiet = await orchestrator.watch(f"/runs/{run}/live")
    loud = await orchestrator.watch(f"/runs/{run}/live")

    await quiet.send("hello")
    await loud.send("x" * 2_000)
    await received(loud)
    await orchestrator.cancel(run)

    assert loud.close_code == 1009
    expect_whole(await received(quiet))
