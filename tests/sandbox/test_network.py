"""The way out: only the listed hosts, only on the public internet unless the settings allow more."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from agent_runner.sandbox.bwrap import BwrapSandbox
from agent_runner.sandbox.cgroup import detect
from agent_runner.sandbox.command import Host
from agent_runner.sandbox.launched import LaunchedSandbox
from agent_runner.sandbox.network import Allowance, Proxy, parse_host
from agent_runner.sandbox.port import Tier
from penstock.contracts.errors import InvalidInput
from tests.sandbox.programs import LIMITS, PYTHON, Outcome, run, shell, spec_for

pytestmark = pytest.mark.sandbox

_FETCH = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except OSError as error:
    print(type(error).__name__, error)
"""


# As an https client does: ask the proxy for a tunnel, then speak to the far end.
_TUNNEL = """
import os, socket, sys, urllib.parse
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
client = socket.create_connection((proxy.hostname, proxy.port), 10)
client.sendall(f"CONNECT {sys.argv[1]} HTTP/1.1\\r\\n\\r\\n".encode())
answer = client.recv(4096)
if b" 200 " in answer:
    client.sendall(b"GET /through HTTP/1.1\\r\\n\\r\\n")
while part := client.recv(4096):
    answer += part
print(answer.decode())
"""


@pytest.fixture
async def web() -> AsyncIterator[int]:
    """The port of a web server on the host's loopback that tells which path was asked for."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"served " + head.split(b" ")[1]
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def open_to_loopback(host: Host) -> AsyncIterator[BwrapSandbox]:
    """A sandbox whose settings permit 127.0.0.0/8."""
    sandbox = BwrapSandbox(host, networks=("127.0.0.0/8",))
    yield sandbox
    await sandbox.close()


async def _tunnel(sandbox: BwrapSandbox, folder: Path, target: str, *hosts: str) -> Outcome:
    limits = replace_network(hosts)
    return await run(sandbox, spec_for(folder, PYTHON, "-I", "-S", "-c", _TUNNEL, target, limits=limits))


async def _fetch(sandbox: BwrapSandbox, folder: Path, url: str, *hosts: str) -> Outcome:
    limits = replace_network(hosts)
    return await run(sandbox, spec_for(folder, PYTHON, "-I", "-S", "-c", _FETCH, url, limits=limits))


def replace_network(hosts: tuple[str, ...]) -> object:
    values = {name: getattr(LIMITS, name) for name in LIMITS.__struct_fields__}
    return type(LIMITS)(**{**values, "network": hosts})


async def test_a_listed_host_is_reached(open_to_loopback: BwrapSandbox, folder: Path, web: int) -> None:
    address = f"127.0.0.1:{web}"

    outcome = await _fetch(open_to_loopback, folder, f"http://{address}/page?x=1", address)

    assert outcome.out == "served /page?x=1\n", outcome.error


async def test_a_tunnel_leads_to_a_listed_host(
    open_to_loopback: BwrapSandbox, folder: Path, web: int
) -> None:
    address = f"127.0.0.1:{web}"

    outcome = await _tunnel(open_to_loopback, folder, address, address)

    assert outcome.out.startswith("HTTP/1.1 200 Connection established")
    assert outcome.out.endswith("served /through\n")


async def test_a_tunnel_to_another_host_is_refused(
    open_to_loopback: BwrapSandbox, folder: Path, web: int
) -> None:
    outcome = await _tunnel(open_to_loopback, folder, f"127.0.0.1:{web}", "example.org:443")

    assert outcome.out.startswith("HTTP/1.1 403 Forbidden")
    assert "served" not in outcome.out


async def test_a_host_that_is_not_listed_is_refused(
    open_to_loopback: BwrapSandbox, folder: Path, web: int
) -> None:
    outcome = await _fetch(open_to_loopback, folder, f"http://127.0.0.1:{web}/", "example.org:443")

    assert outcome.out.startswith(f"403 penstock: 127.0.0.1:{web} is not in the agent's sandbox.network")


async def test_a_private_address_is_refused_though_listed(
    bwrap: BwrapSandbox, folder: Path, web: int
) -> None:
    address = f"localhost:{web}"

    outcome = await _fetch(bwrap, folder, f"http://{address}/", address)

    assert outcome.out.startswith("403 penstock: localhost is ")
    assert "not on the public internet" in outcome.out


async def test_there_is_no_way_around_the_proxy(
    open_to_loopback: BwrapSandbox, folder: Path, web: int
) -> None:
    direct = "import socket; socket.create_connection(('127.0.0.1', int(__import__('sys').argv[1])), 2)"
    limits = replace_network((f"127.0.0.1:{web}",))

    outcome = await run(
        open_to_loopback, spec_for(folder, PYTHON, "-I", "-S", "-c", direct, str(web), limits=limits)
    )

    assert "refused" in outcome.error.lower()


async def test_the_program_keeps_its_exit_code_beside_the_forwarder(
    bwrap: BwrapSandbox, folder: Path
) -> None:
    outcome = await run(bwrap, shell(folder, "exit 7", limits=replace_network(("example.org:443",))))

    assert outcome.exit.code == 7


async def test_tier_landlock_refuses_an_agent_that_needs_the_network(folder: Path) -> None:
    sandbox = LaunchedSandbox(Tier.LANDLOCK, detect())

    with pytest.raises(InvalidInput, match="network"):
        await sandbox.start(shell(folder, "true", limits=replace_network(("example.org:443",))))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
        *("64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::", "2001:0:a00:1::"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not Allowance.parse([]).permits(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert Allowance.parse([]).permits(ip_address(address))


def test_the_settings_permit_a_private_network() -> None:
    allowance = Allowance.parse([], ["10.1.0.0/16"])

    assert allowance.permits(ip_address("10.1.2.3"))
    assert not allowance.permits(ip_address("10.2.0.1"))


@pytest.mark.parametrize(
    "text", ["example.org", "example.org:", ":443", "example.org:0", "http://a/b:80", "a:b"]
)
def test_a_wrong_host_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"expected e\.g\. 'example\.org:443'"):
        parse_host(text)


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.1\r\n\r\n", b"CONNECT nowhere HTTP/1.1\r\n\r\n", b"\0\1\2\r\n\r\n", b"x" * 20_000],
)
async def test_a_wrong_request_is_answered_and_closed(tmp_path: Path, request_: bytes) -> None:
    proxy = Proxy(Allowance.parse(["example.org:443"]))
    await proxy.open(tmp_path / "proxy.sock")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "proxy.sock")

    writer.write(request_)
    answer = await asyncio.wait_for(reader.read(), 15)

    writer.close()
    await proxy.close()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
