"""The sandboxes under test: bubblewrap in each of its ways, and the tiers without it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent_runner.sandbox.bwrap import BwrapSandbox
from agent_runner.sandbox.cgroup import NoCgroups, detect
from agent_runner.sandbox.command import Host
from agent_runner.sandbox.launched import LaunchedSandbox
from agent_runner.sandbox.port import Sandbox, Tier
from agent_runner.sandbox.survey import survey

NO_CGROUPS = NoCgroups("taken away by the test")


@pytest.fixture(scope="session")
async def host() -> Host:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    return await survey()


@pytest.fixture
async def bwrap(host: Host) -> AsyncIterator[BwrapSandbox]:
    sandbox = BwrapSandbox(host)
    yield sandbox
    await sandbox.close()


@pytest.fixture(params=["bwrap", "bwrap in a user namespace", "bwrap without cgroups", "landlock"])
async def sandbox(request: pytest.FixtureRequest, host: Host) -> AsyncIterator[Sandbox]:
    """Every way to confine that this machine has."""
    chosen: Sandbox
    if request.param == "landlock":
        chosen = LaunchedSandbox(Tier.LANDLOCK, detect())
    else:
        changes = {
            "bwrap": {},
            "bwrap in a user namespace": {"drops_from_root": False},
            "bwrap without cgroups": {"cgroups": NO_CGROUPS},
        }[request.param]
        chosen = BwrapSandbox(replace(host, **changes))  # type: ignore[arg-type]
    yield chosen
    await chosen.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
async def listener() -> AsyncIterator[int]:
    """The port of a listener on the host's loopback."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Path]:
    """A unix socket that echoes."""
    server = await asyncio.start_unix_server(_echo, tmp_path / "gateway.sock")
    yield tmp_path / "gateway.sock"
    server.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()
