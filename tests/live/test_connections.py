"""What is known of connections, and the end of those behind which nobody is."""

import asyncio
from urllib.parse import urlsplit

import pytest
from prometheus_client import REGISTRY
from uvicorn.protocols.utils import ClientDisconnected

from penstock.http.sockets import Sockets
from tests.live.conftest import Orchestrator, received

PING, CLOSE = 0x89, 0x88  # the first byte of a frame; a ping has six
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "X-Penstock-Project: {project}\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_a_peer_that_answers_no_ping_is_dropped(orchestrator: Orchestrator) -> None:
    orchestrator.parts.server.config.ws_ping_interval = 0.05
    orchestrator.parts.server.config.ws_ping_timeout = 0.05
    address = urlsplit(orchestrator.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)

    writer.write(UPGRADE.format(path="/api/v1/live", project=orchestrator.project).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(5):
        frames = await reader.read(-1)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 101")
    assert (frames[0], frames[6], frames[8:10]) == (PING, CLOSE, (1011).to_bytes(2, "big"))


async def test_who_sends_to_a_peer_that_was_just_dropped_learns_that_it_has_left(
    orchestrator: Orchestrator,
) -> None:
    await orchestrator.watch("/live")
    (connection,) = [
        each for each in orchestrator.parts.server.server_state.connections if isinstance(each, Sockets)
    ]

    connection.keepalive_timeout()
    with pytest.raises(ClientDisconnected):  # in the same turn of the loop: nobody has told it yet
        await connection.send({"type": "websocket.send", "text": "late"})


@pytest.mark.long
async def test_views_are_counted_while_they_are_open_and_by_how_they_end(orchestrator: Orchestrator) -> None:
    before = measured()
    run = (await orchestrator.start())["id"]
    viewer = await orchestrator.watch(f"/runs/{run}/live")
    await received(viewer, 2)
    during = measured()
    await orchestrator.cancel(run)
    rest = await received(viewer)
    after = measured()

    assert (during["connections"] - before["connections"], after["connections"]) == (1, before["connections"])
    assert after["ended"] - before["ended"] == 1
    assert after["frames"] - before["frames"] == 2 + len(rest)
    assert 1 <= after["delays"] - before["delays"] <= 2 + len(rest)


def measured() -> dict[str, float]:
    name = "penstock_websocket"
    values = {
        "connections": REGISTRY.get_sample_value(f"{name}_connections", {"view": "run"}),
        "ended": REGISTRY.get_sample_value(f"{name}_closed_total", {"reason": "ended"}),
        "frames": REGISTRY.get_sample_value(f"{name}_frames_total"),
        "delays": REGISTRY.get_sample_value(f"{name}_delay_seconds_count"),
    }
    return {key: value or 0.0 for key, value in values.items()}
