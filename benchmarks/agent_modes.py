"""`agents`: what a sandboxed Python agent that does nothing adds to an attempt, by how often its sandbox serves."""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.client import Connection
from benchmarks.fairness import milliseconds
from tests.stack import Stack

ECHO = Path(__file__).resolve().parent / "agents/echo"
MODES = ("process", "fork", "never")
ATTEMPTS = 60  # of each mode, one after another
WARM_UP = 5


def measure_agents() -> list[str]:
    """One JSON line for each mode."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        agents = Path(folder) / "agents"
        for mode in MODES:
            _write_agent(agents / f"echo-{mode}", mode)
        with Stack(folder=Path(folder) / "stack", agents=(agents,)) as stack:
            return asyncio.run(_measured(stack.url))


def _write_agent(folder: Path, mode: str) -> None:
    """The benchmarks' echo, with another `reuse`."""
    folder.mkdir(parents=True)
    manifest = yaml.safe_load((ECHO / "agent.yaml").read_text())
    manifest |= {"name": folder.name, "reuse": mode}
    manifest.pop("concurrency")
    (folder / "agent.yaml").write_text(yaml.safe_dump(manifest))
    source = (ECHO / "echo.py").read_text()
    # An `async` function of its own process imports asyncio: 25 ms of CPU time that are the agent's, not ours.
    (folder / "echo.py").write_text(source.replace("async def", "def") if mode == "never" else source)


async def _measured(url: str) -> list[str]:
    connection = await Connection.open(url)
    lines = []
    for mode in MODES:
        name = f"echo-{mode}"
        definition = {"name": name, "nodes": {"echo": {"agent": name, "with": {"value": 1}}}}
        await connection.request("POST", "/api/v1/workflows", definition)
        for _ in range(WARM_UP):
            await _attempt(connection, name)
        measured = [await _attempt(connection, name) for _ in range(ATTEMPTS)]
        lines.append(_line(mode, measured))
    connection.close()
    return lines


async def _attempt(connection: Connection, workflow: str) -> tuple[float, float]:
    """Seconds of the attempt, as the runner measured it, and of the whole run, as its client did."""
    began = time.perf_counter()
    run = await connection.wait(await connection.start(workflow, {}))
    seconds = time.perf_counter() - began
    events = await connection.request("GET", f"/api/v1/runs/{run['id']}/events?limit=50")
    (ended,) = (event for event in events["items"] if event["kind"] == "node.succeeded")
    return ended["data"]["seconds"], seconds


def _line(mode: str, measured: list[tuple[float, float]]) -> str:
    attempts, runs = ([pair[index] for pair in measured] for index in (0, 1))
    figures = {
        "system": "penstock",
        "workload": "agents",
        "reuse": mode,
        "attempts": len(measured),
        "attempt_p50_ms": milliseconds(attempts, 0.5),
        "attempt_p95_ms": milliseconds(attempts, 0.95),
        "run_p50_ms": milliseconds(runs, 0.5),
    }
    return json.dumps(figures)
