"""What leaves the notifier over HTTP is safe: checked addresses, no redirects, limits on everything."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from notifier.channels import outbound as outbound_module
from notifier.channels.connection import ANSWER_BYTES_MAX
from notifier.channels.outbound import Outbound
from notifier.channels.port import ANSWER_CHARS_MAX, Told
from tests.deliveries.targets import Reply, Target


@asynccontextmanager
async def opened(*networks: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Outbound]:
    outbound = Outbound([ip_network(network) for network in networks], tls=tls)
    try:
        yield outbound
    finally:
        outbound.close()


async def post(outbound: Outbound, url: str) -> Told:
    return await outbound.post(url, headers={}, body=b"{}")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "2130706433", "0x7f.1"),
        *("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[ff02::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"),
        *("[64:ff9b:1::7f00:1]", "[2002:7f00:1::1]", "[2001:0:7f00:1::1]"),
        *(
            "127.1",
            "0177.0.0.1",
            "017700000001",
            "0x7f000001",
            "192.88.99.1",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
        ),
        *("[::ffff:0:127.0.0.1]", "[fec0::1]", "[5f00::1]", "[3fff::1]", "[4000::1]", "[100::1]"),
    ],
)
async def test_addresses_that_are_not_of_the_public_internet_are_refused(host: str) -> None:
    async with opened() as outbound:
        told = await post(outbound, f"http://{host}:9/")

    assert not told.ok
    assert "which is not on the public internet" in told.error
    assert "PENSTOCK_NOTIFIER_NETWORKS" in told.error


async def test_a_network_of_the_settings_may_be_called(target: Target) -> None:
    async with opened("127.0.0.0/8") as outbound:
        told = await post(outbound, target.url)

    assert (told.ok, told.status, told.answer) == (True, 200, "thanks")


async def test_a_name_is_resolved_once_and_the_checked_address_is_called(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that first has a good address and then a bad one reaches the good one."""
    loop = asyncio.get_running_loop()
    asked = []

    async def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(2, 1, 6, "", (address, port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    async with opened("127.0.0.0/8") as outbound:
        told = await post(outbound, f"http://rebinding.example:{target.port}/hook")

    assert told.ok
    assert asked.count("rebinding.example") == 1
    assert target.requests[0].headers["host"] == f"rebinding.example:{target.port}"


async def test_a_name_that_does_not_resolve_asks_one_question_at_a_time(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver has few threads, and a question cannot be called back: others need the rest."""
    loop, answered = asyncio.get_running_loop(), asyncio.Event()
    asking: list[str] = []

    async def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asking.append(host)
        if host == "dead.example":
            await answered.wait()
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    async with opened("127.0.0.0/8") as outbound:
        dead = [asyncio.create_task(post(outbound, f"http://dead.example:{target.port}/")) for _ in range(16)]
        told = await post(outbound, f"http://alive.example:{target.port}/")
        waiting = asking.count("dead.example")
        answered.set()
        late = await asyncio.gather(*dead)

    assert (told.ok, waiting) == (True, 1)
    assert all(each.ok for each in late)


async def test_a_redirect_is_an_answer_and_not_followed(target: Target) -> None:
    async with Target() as elsewhere, opened("127.0.0.0/8") as outbound:
        target.reply = lambda request: Reply(status=302, headers=(f"Location: {elsewhere.url}",))
        told = await post(outbound, target.url)

    assert (told.ok, told.status) == (False, 302)
    assert elsewhere.requests == []


async def test_a_long_answer_is_cut(target: Target) -> None:
    target.reply = lambda request: Reply(body=b"\x00" + b"x" * (ANSWER_BYTES_MAX * 50))
    async with opened("127.0.0.0/8") as outbound:
        told = await post(outbound, target.url)
        again = await post(outbound, target.url)

    assert told.ok
    assert told.answer == "x" * (ANSWER_CHARS_MAX)
    assert again.ok
    assert target.connections == 2  # who says too much is hung up on


async def test_endless_headers_are_refused(target: Target) -> None:
    target.reply = lambda request: Reply(headers=tuple(f"X-{n}: {'y' * 1000}" for n in range(500)))
    async with opened("127.0.0.0/8") as outbound:
        told = await post(outbound, target.url)

    assert not told.ok
    assert "RemoteProtocolError" in told.error


async def test_an_answer_takes_no_longer_than_its_time(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound_module, "TOTAL_S", 0.05)
    target.reply = lambda request: Reply(status=None)
    async with opened("127.0.0.0/8") as outbound:
        told = await post(outbound, target.url)

    assert told.error == "no answer within 0.05 s"


async def test_a_connection_serves_many_requests(target: Target) -> None:
    async with opened("127.0.0.0/8") as outbound:
        for _ in range(5):
            assert (await post(outbound, target.url)).ok

    assert target.connections == 1


async def test_nobody_there_is_a_failure_that_says_so() -> None:
    async with opened("127.0.0.0/8") as outbound:
        refused = await post(outbound, "http://127.0.0.1:9/")
        unknown = await post(outbound, "http://no-such-host.invalid/")

    assert "ConnectionRefusedError" in refused.error
    assert not unknown.ok
    assert unknown.error


async def test_retry_after_is_seconds_or_a_date(target: Target) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    told = {}
    async with opened("127.0.0.0/8") as outbound:
        for text in ("120", later, "soon", "-1"):
            target.reply = lambda request, text=text: Reply(status=429, headers=(f"Retry-After: {text}",))  # type: ignore[misc]
            told[text] = (await post(outbound, target.url)).asked

    assert told["120"] == timedelta(seconds=120)
    assert timedelta(minutes=4) < told[later] <= timedelta(minutes=5)
    assert told["soon"] is told["-1"] is None


async def test_tls_asks_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async with Target(tls=serving) as target, opened("127.0.0.0/8", tls=trusting) as outbound:
        by_name = await post(outbound, f"https://localhost:{target.port}/hook")
        by_address = await post(outbound, f"https://127.0.0.1:{target.port}/hook")

    assert by_name.ok, by_name.error
    assert "certificate" in by_address.error.lower()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for the name localhost, and its key."""
    certificate, key = folder / "c.pem", folder / "k.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    )
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return certificate, key
