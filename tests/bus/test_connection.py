"""The connection to a bus that is there and does not answer."""

import asyncio
import os
import signal

import pytest

from penstock.bus import connection, permissions
from penstock_cli.embedded.nats import Nats

SEEN_S_MAX = 10.0


async def test_a_server_that_is_frozen_is_seen_as_away_until_it_answers_again(
    own_nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PING_EVERY_S", 0.1)
    login = own_nats.login(permissions.NOTIFIER)
    assert own_nats.pid is not None
    async with connection.connect(
        url=own_nats.url, user=login.user, password=login.password, name="test"
    ) as bus:
        back = asyncio.Event()
        bus.on_reconnect(back.set)

        os.kill(own_nats.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(SEEN_S_MAX):
                while bus.is_connected:
                    await asyncio.sleep(0.02)
        finally:
            os.kill(own_nats.pid, signal.SIGCONT)

        await asyncio.wait_for(back.wait(), SEEN_S_MAX)
        assert bus.is_connected
