"""R8: what a burst of one project costs another: the latency of a run a second, alone and beside 10,000 runs."""

import asyncio
import json
import math
import statistics
import time
from dataclasses import dataclass

from benchmarks.client import Connection, Json

BURST_RUNS = 10_000
CONNECTIONS = 32  # of the loud project's clients
PROBE_EVERY_S = 1.0
IDLE_PROBES = 15

WORKFLOW = {"name": "r8", "nodes": {"only": {"agent": "echo", "with": {"value": "${{ inputs.value }}"}}}}


@dataclass(frozen=True)
class Fairness:
    """Latencies in seconds, of the quiet project's runs; `busy_s`: from the burst's first run to its last end."""

    runs: int
    idle: list[float]
    beside: list[float]
    busy_s: float

    @property
    def idle_p50_s(self) -> float:
        return statistics.median(self.idle)

    @property
    def beside_p50_s(self) -> float:
        return statistics.median(self.beside)

    @property
    def ratio(self) -> float:
        """How many times its idle latency a run takes beside the burst."""
        return self.beside_p50_s / self.idle_p50_s

    def line(self) -> str:
        """One JSON line."""
        return json.dumps(
            {
                "system": "penstock",
                "workload": "R8",
                "runs": self.runs,
                "runs_per_s": round(self.runs / self.busy_s),
                "idle_p50_ms": milliseconds(self.idle, 0.5),
                "idle_max_ms": milliseconds(self.idle, 1.0),
                "beside_probes": len(self.beside),
                "beside_p50_ms": milliseconds(self.beside, 0.5),
                "beside_max_ms": milliseconds(self.beside, 1.0),
                "ratio_p50": round(self.ratio, 2),
            }
        )


async def measure_fairness(
    url: str, *, runs: int = BURST_RUNS, idle_probes: int = IDLE_PROBES, every_s: float = PROBE_EVERY_S
) -> Fairness:
    quiet = await Connection.open(url, project="quiet")
    loud = await Connection.open(url, project="loud")
    for connection in (quiet, loud):
        await connection.request("POST", "/api/v1/workflows", WORKFLOW)
        for _ in range(20):  # a warm-up: workers start, plans compile
            await one(connection)
    idle = [await one(quiet, after_s=every_s) for _ in range(idle_probes)]
    began = time.perf_counter()
    burst = asyncio.create_task(burst_of(url, runs))
    beside = []
    while not burst.done():
        beside.append(await one(quiet, after_s=every_s))
    await burst
    busy_s = time.perf_counter() - began
    quiet.close()
    loud.close()
    return Fairness(runs, idle, beside[:-1] or beside, busy_s)  # the last one may have come after the burst


async def one(connection: Connection, *, after_s: float = 0.0) -> float:
    """From the request that starts a run to the answer that it has ended."""
    await asyncio.sleep(after_s)
    began = time.perf_counter()
    run = await connection.wait(await connection.start("r8", {"value": 1}))
    if run["state"] != "succeeded":
        raise RuntimeError(f"run {run['id']} {run['state']}: {run['failure']}")
    return time.perf_counter() - began


async def burst_of(url: str, runs: int) -> None:
    """All runs as fast as they are accepted; then until the last one has ended."""
    connections = await asyncio.gather(*(Connection.open(url, project="loud") for _ in range(CONNECTIONS)))
    numbers = iter(range(runs))

    async def start_some(connection: Connection) -> None:
        for number in numbers:
            await connection.start("r8", {"value": number})

    await asyncio.gather(*(start_some(connection) for connection in connections))
    path = "/api/v1/runs?workflow=r8&state=running&limit=1"
    while _items(await connections[0].request("GET", path)):
        await asyncio.sleep(0.2)
    for connection in connections:
        connection.close()


def _items(page: Json) -> Json:
    return page["items"]


def milliseconds(values: list[float], share: float) -> float:
    """The value below which this share of `values` lies."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000, 2)
