"""`make bench`: the workloads through the public API, one JSON line each, and the profile of W3 by component.

Each on a stack of its own: R8, the fairness between projects; the flood of events; `live`, the delay of 1,000 live
views; webhooks, from event to arrival; the stores of packs; what telemetry costs; `guard`, ten runs of repository-guard
at once; `agents`, what a sandboxed agent adds to an attempt; `osv`, a snapshot of 100,000 advisories:
`python -m benchmarks.run R8 flood live webhooks store telemetry guard agents osv`.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from benchmarks.agent_modes import measure_agents
from benchmarks.client import Connection
from benchmarks.fairness import measure_fairness
from benchmarks.flood import measure_flood
from benchmarks.guard import measure_guard
from benchmarks.live import measure_live
from benchmarks.osv import measure_osv
from benchmarks.profile import Profile
from benchmarks.store import measure_store
from benchmarks.telemetry import measure_telemetry
from benchmarks.webhooks import EXTRA, measure_webhooks
from benchmarks.workloads import DEFINITIONS, WORKLOADS, Figures
from tests.stack import Stack

AGENTS = Path(__file__).resolve().parent / "agents"
SLOTS = 256
# In R8. More would only wait for the processor, in the runner, where nobody takes turns.
SLOTS_FAIRNESS = 8
SLOTS_GUARD = 4  # the default
ALONE = ("R8", "flood", "live", "webhooks", "store", "telemetry", "guard", "agents", "osv")
REPEATS = {"W1": 5, "W2": 5, "W3": 3, "W4": 1, "W5": 3, "W6": 3, "W7": 3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    known = "W1 … W7, " + ", ".join(ALONE)
    parser.add_argument("workloads", nargs="*", metavar=known, help="all, when none is named")
    parser.add_argument("--runners", type=int, default=1)
    parser.add_argument("--slots", type=int, default=SLOTS_FAIRNESS, help="of each runner, in R8")
    parser.add_argument("--orchestrators", type=int, default=1)
    chosen = parser.parse_args()
    names = chosen.workloads or [*WORKLOADS, *ALONE]
    unknown = set(names) - {*WORKLOADS, *ALONE}
    if unknown:
        known = ", ".join([*WORKLOADS, *ALONE])
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {known}")
    if through_the_core := [name for name in names if name not in ALONE]:
        with stack_of(chosen, slots=SLOTS) as stack:
            asyncio.run(measure(stack, through_the_core))
    if "webhooks" in names:
        with (
            tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
            Stack(folder=Path(folder), agents=(), runners=0, notifiers=1, extra=EXTRA) as stack,
        ):
            print(asyncio.run(measure_webhooks(stack)), flush=True)
    if "R8" in names:
        with stack_of(chosen, slots=chosen.slots) as stack:
            print(asyncio.run(measure_fairness(stack.url)).line(), flush=True)
    if "live" in names:
        with stack_of(chosen, slots=chosen.slots) as stack:
            uvloop.run(measure_live(stack.url))
    if "flood" in names:
        with stack_of(chosen, slots=SLOTS) as stack:
            print(asyncio.run(measure_flood(stack)).line(), flush=True)
    if "store" in names:
        with stack_of(chosen, slots=SLOTS) as stack:
            asyncio.run(measure_store(stack))
    if "telemetry" in names:
        measure_telemetry(AGENTS, slots=SLOTS)
    if "guard" in names:
        print(measure_guard(slots=SLOTS_GUARD), flush=True)
    if "agents" in names:
        print(*measure_agents(), sep="\n", flush=True)
    if "osv" in names:
        print(measure_osv(), flush=True)


@contextmanager
def stack_of(chosen: argparse.Namespace, *, slots: int) -> Iterator[Stack]:
    with (
        tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
        Stack(
            folder=Path(folder),
            agents=(AGENTS,),
            slots=slots,
            runners=chosen.runners,
            orchestrators=chosen.orchestrators,
        ) as stack,
    ):
        yield stack


async def measure(stack: Stack, names: list[str]) -> None:
    connection = await Connection.open(stack.url)
    for name in names:
        await connection.request("POST", "/api/v1/workflows", DEFINITIONS[name])
    for name in names:
        await WORKLOADS[name](stack.url) if name != "W3" else None  # a warm-up: workers start, plans compile
        profile = Profile.begin(stack)
        results = [await WORKLOADS[name](stack.url) for _ in range(REPEATS[name])]
        report(name, results)
        if name == "W3":
            profile.report(
                nodes=sum(result.nodes for result in results), seconds=sum(r.seconds for r in results)
            )
    connection.close()


def report(name: str, results: list[Figures]) -> None:
    """The median of the repeats; latencies over all of them."""
    seconds = statistics.median(result.seconds for result in results)
    latencies = sorted(value for result in results for value in result.latencies)
    line = {
        "system": "penstock",
        "workload": name,
        "seconds": round(seconds, 4),
        "nodes": results[0].nodes,
        "nodes_per_s": round(results[0].nodes / seconds),
        "p50_ms": milliseconds(latencies, 0.50),
        "p99_ms": milliseconds(latencies, 0.99),
    }
    print(json.dumps(line), flush=True)


def milliseconds(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)


if __name__ == "__main__":
    sys.exit(main())
