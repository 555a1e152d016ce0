"""Log lines while the bus takes them, and while it does not."""

import asyncio

from agent_runner.logs import WAITING_BYTES_MAX, Logs
from agent_runner.redaction import NOTHING_SECRET
from penstock.bus.connection import Bus
from penstock.bus.publisher import Publisher
from penstock_cli.embedded.nats import Nats
from tests.runner.peer import Peer


async def test_lines_beyond_the_buffer_are_dropped_with_a_counted_mark(
    peer: Peer, bus: Bus, own_nats: Nats
) -> None:
    publisher = Publisher(bus)
    await publisher.start()
    logs = Logs(publisher)
    running = asyncio.create_task(logs.run())
    order = await peer.order("any")
    write = logs.of(order, NOTHING_SECRET)
    line = "x" * 16_000

    own_nats.kill()
    for _ in range(2 * WAITING_BYTES_MAX // len(line)):
        write("stderr", line)
    own_nats.start()
    async with asyncio.timeout(30):
        await logs.flushed()
    write("stderr", "the last one")
    await logs.flushed()

    info = await bus.client.jetstream().stream_info("LOGS")
    last = await bus.client.jetstream().get_msg("LOGS", info.state.last_seq)
    text = (last.data or b"").decode()
    assert "lines dropped: the bus did not take them" in text
    assert "the last one" in text
    running.cancel()
