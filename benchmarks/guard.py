"""`guard`: ten runs of repository-guard at once on a tree of 300 files, cold and warm (requirement H10)."""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.client import Connection
from benchmarks.guard_tree import FILES, write_tree
from benchmarks.profile import with_ended
from benchmarks.upload import upload
from tests.stack import ROOT, Stack

PACK = ROOT / "shared/packs/security"
RUNS = 10
ROUNDS = 3  # after the first, which starts the workers


def measure_guard(*, slots: int) -> str:
    """One JSON line."""
    with (
        tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
        Stack(folder=Path(folder) / "stack", agents=(PACK / "agents",), slots=slots) as stack,
    ):
        source = write_tree(Path(folder) / "tree")
        return asyncio.run(_measured(stack, source, slots=slots))


async def _measured(stack: Stack, source: Path, *, slots: int) -> str:
    url = stack.url
    repository = await upload(url, source)
    connection = await Connection.open(url)
    document = yaml.safe_load((PACK / "repository-guard.yaml").read_text())
    await connection.request("POST", "/api/v1/workflows", document)
    connection.close()
    cold = await _round(url, repository)
    before = with_ended(stack)
    warm = [seconds for _ in range(ROUNDS) for seconds in await _round(url, repository)]
    after = with_ended(stack)
    cpu = {name: (after[name] - before[name]) / len(warm) for name in after if name in before}
    return _line(cold, sorted(warm), cpu, slots=slots)


async def _round(url: str, repository: str) -> list[float]:
    """Seconds of each run, from its request to its end."""
    return list(await asyncio.gather(*(_run(url, repository) for _ in range(RUNS))))


async def _run(url: str, repository: str) -> float:
    connection = await Connection.open(url)
    began = time.perf_counter()
    run = await connection.wait(await connection.start("repository-guard", {"repository": repository}))
    seconds = time.perf_counter() - began
    if run["state"] != "succeeded" or run["output"]["verdict"] != "fail":
        raise RuntimeError(f"run {run['id']}: {run['state']}, {run['output']}, {run['failure']}")
    connection.close()
    return seconds


def _line(cold: list[float], warm: list[float], cpu: dict[str, float], *, slots: int) -> str:
    figures = {
        "system": "penstock",
        "workload": "guard",
        "files": FILES,
        "runs_at_once": RUNS,
        "slots": slots,
        "cold_max_s": round(max(cold), 2),
        "p50_s": round(warm[len(warm) // 2], 2),
        "p95_s": round(warm[int(len(warm) * 0.95)], 2),
        "max_s": round(warm[-1], 2),
        "cpu_s_a_run": round(sum(cpu.values()), 3),
        "cpu_s_by_part": {name: round(seconds, 3) for name, seconds in cpu.items()},
    }
    return json.dumps(figures)
