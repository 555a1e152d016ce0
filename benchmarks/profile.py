"""Where the processor's time goes, by component, from the operating system's own accounting."""

import json
from dataclasses import dataclass

import psutil

from tests.stack import Stack


@dataclass(frozen=True)
class Profile:
    """CPU seconds of every component at one moment."""

    stack: Stack
    spent: dict[str, float]

    @classmethod
    def begin(cls, stack: Stack) -> "Profile":
        return cls(stack, spent(stack))

    def report(self, *, nodes: int, seconds: float) -> None:
        """One JSON line: microseconds of CPU per node, and how many of the two cores were busy."""
        now = spent(self.stack)
        used = {name: now[name] - self.spent.get(name, 0.0) for name in now}
        line = {
            "profile": "W3",
            "cpu_us_per_node": {name: round(value / nodes * 1e6, 1) for name, value in used.items()},
            "cores_busy": round(sum(used.values()) / seconds, 2),
        }
        print(json.dumps(line), flush=True)


def spent(stack: Stack) -> dict[str, float]:
    """User and system time of each component, its children included; ours is the client."""
    roots = {name.rpartition("-")[0]: child.pid for name, child in stack.services.items()}
    totals: dict[str, float] = {"client": own(psutil.Process())}
    for name, pid in (*roots.items(), ("nats", stack.nats.pid), ("postgresql", stack.postgres.pid)):
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        if name == "runner":
            totals["runner"] = totals.get("runner", 0.0) + own(process)
            totals["agents"] = totals.get("agents", 0.0) + sum(map(own, children))
        else:
            totals[name] = totals.get(name, 0.0) + own(process) + sum(map(own, children))
    return totals


def with_ended(stack: Stack) -> dict[str, float]:
    """Like `spent`, with the children that have ended and were waited for, such as forked attempts."""
    runner = next(child.pid for name, child in stack.services.items() if name.startswith("runner"))
    totals = spent(stack)
    agents = psutil.Process(runner).children(recursive=True)
    totals["agents"] += ended(psutil.Process(runner)) + sum(map(ended, agents))
    return totals


def ended(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.children_user + times.children_system)


def own(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
