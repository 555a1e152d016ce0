"""M1's live views: 1,000 WebSockets, and how long after the commit a frame is with its reader.

Two ways to watch: 10 readers on each of 100 runs, which go on at a steady rate, and 1,000 readers of one project.
A frame's delay is from its event's `time`, the commit by this machine's clock, to its arrival here.
"""

import asyncio
import json
import resource
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlsplit

from benchmarks.client import Connection, Json

VIEWERS = 1_000
WORKFLOWS = 10  # a workflow has places for 100 viewers
RUNS_PER_WORKFLOW = 10
RUNS_PER_S = 5.0
PROJECT_RUNS = 10
PROJECT_RUNS_PER_S = 0.5
OPENINGS = 50  # at once
SETTLE_S = 2.0

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_SHORT, _LONG = 126, 127  # marks in a frame's second byte: the length follows, in two bytes or in eight


def definition(name: str) -> Json:
    """Waits for a person, so that its readers are there when it goes on; then three nodes in a row."""
    work = {"agent": "echo", "with": {"value": "${{ inputs.value }}"}}
    return {
        "name": name,
        "nodes": {
            "go": {"approval": {"message": "Go?"}},
            "first": {**work, "needs": ["go"]},
            "second": {**work, "needs": ["first"]},
            "third": {**work, "needs": ["second"]},
        },
    }


@dataclass
class Readers:
    """What all of them have received since `begin`."""

    delays: list[float] = field(default_factory=list)
    open: int = 0
    measures: bool = False

    def begin(self) -> None:
        self.delays, self.measures = [], True

    def take(self, payload: bytes) -> None:
        if self.measures:
            start = payload.index(b'"time":"') + 8
            at = datetime.fromisoformat(payload[start : payload.index(b'"', start)].decode())
            self.delays.append((datetime.now(UTC) - at).total_seconds())


class Reader(asyncio.Protocol):
    """A WebSocket that only listens: lean, for the measuring side runs on the same cores."""

    def __init__(self, readers: Readers, request: bytes) -> None:
        self._readers, self._request = readers, request
        self._data = b""
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        self._readers.open -= self.upgraded.done()
        if not self.upgraded.done():
            self.upgraded.set_exception(RuntimeError(f"refused: {self._data!r}"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.upgraded.done():
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.upgraded.set_exception(RuntimeError(f"refused: {self._data!r}"))
                return
            self._data = rest
            self._readers.open += 1
            self.upgraded.set_result(None)
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        """Servers do not mask what they send."""
        if len(self._data) < 2:
            return False
        length, start = self._data[1], 2
        if length in (_SHORT, _LONG):
            start = 4 if length == _SHORT else 10
            length = int.from_bytes(self._data[2:start], "big")
        if len(self._data) < start + length:
            return False
        kind, payload = self._data[0] & 0x0F, self._data[start : start + length]
        self._data = self._data[start + length :]
        if kind == 1:
            self._readers.take(payload)
        elif kind == 9:  # a ping
            self.transport.write(bytes((0x8A, 0x80 | length)) + bytes(4) + payload)
        return True


async def measure_live(url: str) -> None:
    """Prints a line for each of both ways to watch."""
    allow_many_connections()
    connection = await Connection.open(url)
    names = [f"live-{number}" for number in range(WORKFLOWS)]
    for name in names:
        await connection.request("POST", "/api/v1/workflows", definition(name))
    runs = [await connection.start(name, {"value": 1}) for name in names for _ in range(RUNS_PER_WORKFLOW)]
    await measure_runs(url, runs)
    connection = await Connection.open(url)  # a server closes one that is idle
    runs = [await connection.start(names[0], {"value": 1}) for _ in range(PROJECT_RUNS)]
    await measure_project(url, runs)


async def measure_runs(url: str, runs: list[str]) -> None:
    each = VIEWERS // len(runs)
    readers, opened = await open_readers(
        url, [f"/api/v1/runs/{run}/live" for run in runs for _ in range(each)]
    )
    await go_on(url, runs, per_s=RUNS_PER_S)
    report("live runs", readers, len(opened), runs=len(runs), per_s=RUNS_PER_S)
    close(opened)


async def measure_project(url: str, runs: list[str]) -> None:
    readers, opened = await open_readers(url, ["/api/v1/live"] * VIEWERS)
    await go_on(url, runs, per_s=PROJECT_RUNS_PER_S)
    held = readers.open
    report("live project", readers, held, runs=len(runs), per_s=PROJECT_RUNS_PER_S)
    close(opened)


async def open_readers(url: str, paths: list[str]) -> tuple[Readers, list[Reader]]:
    """Opens them all, and waits until they have caught up."""
    readers, gate = Readers(), asyncio.Semaphore(OPENINGS)

    async def one(path: str) -> Reader:
        async with gate:
            return await open_reader(url, path, readers)

    opened = await asyncio.gather(*(one(path) for path in paths))
    await asyncio.sleep(SETTLE_S)
    assert readers.open == len(paths), f"{readers.open} of {len(paths)} are open"
    readers.begin()
    return readers, opened


async def open_reader(url: str, path: str, readers: Readers) -> Reader:
    parts = urlsplit(url)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(
        lambda: Reader(readers, head.encode()), parts.hostname, parts.port
    )
    await reader.upgraded
    return reader


async def go_on(url: str, runs: list[str], *, per_s: float) -> None:
    """Let the runs go on, one after another at this rate; then wait for all of them, and for their last frames."""
    connection = await Connection.open(url)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, run in enumerate(runs):
        await asyncio.sleep(max(0.0, began + number / per_s - loop.time()))
        await connection.request("POST", f"/api/v1/runs/{run}/nodes/go/approve", {"by": "benchmark"})
    for run in runs:
        await connection.wait(run)
    connection.close()
    await asyncio.sleep(SETTLE_S)


def close(readers: list[Reader]) -> None:
    for reader in readers:
        reader.transport.close()


def report(workload: str, readers: Readers, held: int, *, runs: int, per_s: float) -> None:
    delays = sorted(readers.delays)
    line = {
        "system": "penstock",
        "workload": workload,
        "sockets": held,
        "runs": runs,
        "runs_per_s": per_s,
        "frames": len(delays),
        "p50_ms": milliseconds(delays, 0.5),
        "p95_ms": milliseconds(delays, 0.95),
        "max_ms": milliseconds(delays, 1.0),
    }
    print(json.dumps(line), flush=True)


def milliseconds(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)


def allow_many_connections() -> None:
    """A process may have 1,024 files by default, of which every connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
