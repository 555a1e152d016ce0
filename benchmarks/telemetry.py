"""What watching costs: W3 without traces, then with the default share and scraped every five seconds, in turn."""

import asyncio
import json
import multiprocessing
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import httpx

from benchmarks.client import Connection
from benchmarks.workloads import DEFINITIONS, WORKLOADS
from tests.stack import Stack

ROUNDS = 8
WARM_UPS = 1
SCRAPE_EVERY_S = 5.0  # as `penstock up --observe` does


class _Sink(BaseHTTPRequestHandler):
    """A collector that is always well, and keeps nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it would be timed."""


def measure_telemetry(agents: Path, *, slots: int) -> None:
    """Prints one JSON line. `off` and `on` are nodes a second, medians over the rounds, each on its own stack."""
    with collector() as url:
        on = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        rates: dict[str, list[float]] = {"off": [], "on": []}
        with stack_of(agents, slots, {}) as unwatched, stack_of(agents, slots, on) as watched:
            stacks = {"off": unwatched, "on": watched}
            for name, stack in stacks.items():
                asyncio.run(_rate(stack, scraped=name == "on", rounds=WARM_UPS))
            for _ in range(ROUNDS):
                for name, stack in stacks.items():
                    rates[name].append(asyncio.run(_rate(stack, scraped=name == "on", rounds=1)))
    off, watched_rate = statistics.median(rates["off"]), statistics.median(rates["on"])
    line = {"system": "penstock", "workload": "telemetry", "off": round(off), "on": round(watched_rate)}
    print(json.dumps({**line, "cost_percent": round(100 * (1 - watched_rate / off), 1)}), flush=True)


@contextmanager
def collector() -> Iterator[str]:
    """In a process of its own, so that it takes no turns from whoever measures."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(theirs,), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ours.recv()}"
    process.terminate()
    process.join()


def _collect(pipe: "Pipe[int, int]") -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    pipe.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def stack_of(agents: Path, slots: int, extra: dict[str, str]) -> Iterator[Stack]:
    with (
        tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
        Stack(folder=Path(folder), agents=(agents,), slots=slots, extra=extra) as stack,
    ):
        yield stack


async def _rate(stack: Stack, *, scraped: bool, rounds: int) -> float:
    connection = await Connection.open(stack.url)
    await connection.request("POST", "/api/v1/workflows", DEFINITIONS["W3"])
    connection.close()
    scraping = asyncio.create_task(_scrape(stack.url)) if scraped else None
    results = [await WORKLOADS["W3"](stack.url) for _ in range(rounds)]
    if scraping is not None:
        scraping.cancel()
    return statistics.median(result.nodes / result.seconds for result in results)


async def _scrape(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        while True:
            await client.get("/metrics", headers={"accept": "application/openmetrics-text"})
            await asyncio.sleep(SCRAPE_EVERY_S)
