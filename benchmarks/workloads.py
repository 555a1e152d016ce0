"""The workloads W1-W5 of design §11, and W6 and W7 of undoing and `foreach`, as definitions and as what is measured."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.client import Connection, Json

SEED = 20_261_120  # W5's shape, the same on every machine
CONNECTIONS = 32  # of W3's clients
GIVEN = {"value": 1}
UNDONE_RUNS = 500
ITEMS = 10_000


@dataclass(frozen=True)
class Figures:
    """`seconds` from the first request to the last run's end; latencies of single runs in seconds."""

    seconds: float
    nodes: int
    latencies: list[float]


def node(needs: list[str]) -> Json:
    """A node that takes a value from each of its parents."""
    given = {f"from_{name}": f"${{{{ nodes.{name}.output.value }}}}" for name in needs}
    return {"agent": "echo", "with": {"value": "${{ inputs.value }}", **given}}


def chain(name: str, length: int) -> Json:
    return {
        "name": name,
        "nodes": {f"n{i}": node([f"n{i - 1}"] if i else []) for i in range(length)},
    }


def fan(name: str, width: int) -> Json:
    """1 → width → 1. The last one needs all, and takes a value from the first of them."""
    middle = {f"m{i}": node(["first"]) for i in range(width)}
    last = {**node(["m0"]), "needs": list(middle)}
    return {"name": name, "nodes": {"first": node([]), **middle, "last": last}}


def layered(name: str, count: int, *, layers: int = 40, parents_max: int = 3) -> Json:
    """A random DAG in layers; each node has up to three parents in the layer before."""
    chance = random.Random(SEED)
    width = count // layers
    nodes: dict[str, Json] = {}
    for i in range(count):
        above = [f"n{j}" for j in range(max(0, (i // width - 1) * width), (i // width) * width)]
        nodes[f"n{i}"] = node(chance.sample(above, min(len(above), chance.randint(1, parents_max))))
    return {"name": name, "nodes": nodes}


def each(name: str) -> Json:
    """A node for each value of a list, 64 at a time."""
    values = {"foreach": "${{ inputs.values }}", "max_parallel": 64}
    return {"name": name, "nodes": {"all": {"agent": "echo", "with": {"value": "${{ item }}"}, **values}}}


def undone(name: str) -> Json:
    """A chain of five whose last node fails, after which the four before it are undone."""
    nodes = chain(name, 5)["nodes"]
    for before_last in list(nodes.values())[:-1]:
        before_last["compensate"] = {"agent": "echo", "with": {"value": "${{ output.value }}"}}
    nodes["n4"] |= {"agent": "broken", "retry": "none"}
    return {"name": name, "on_failure": "compensate", "nodes": nodes}


DEFINITIONS = {
    "W1": chain("w1", 40),
    "W2": fan("w2", 100),
    "W3": chain("w3", 10),
    "W4": chain("w4", 2),
    "W5": layered("w5", 2000),
    "W6": each("w6"),
    "W7": undone("w7"),
}


async def one_run(url: str, workflow: str, nodes: int, *, given: Json = GIVEN) -> Figures:
    connection = await Connection.open(url)
    began = time.perf_counter()
    run = await connection.wait(await connection.start(workflow, given))
    seconds = time.perf_counter() - began
    expect_success(run)
    connection.close()
    return Figures(seconds, nodes, [seconds])


async def many_at_once(url: str, workflow: str, *, runs: int, nodes: int) -> Figures:
    connections = await asyncio.gather(*(Connection.open(url) for _ in range(CONNECTIONS)))
    began = time.perf_counter()

    async def start_share(connection: Connection, count: int) -> None:
        for _ in range(count):
            await connection.start(workflow, {"value": 1})

    await asyncio.gather(
        *(start_share(c, runs // CONNECTIONS + (i < runs % CONNECTIONS)) for i, c in enumerate(connections))
    )
    await until_all_ended(connections[0], workflow)
    seconds = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return Figures(seconds, runs * nodes, [])


async def until_all_ended(connection: Connection, workflow: str) -> None:
    """A failed run that is to be undone goes from running to compensating: what runs no more may do that still."""
    for state in ("running", "compensating"):
        path = f"/api/v1/runs?workflow={workflow}&state={state}&limit=1"
        while (await connection.request("GET", path))["items"]:
            await asyncio.sleep(0.05)


async def one_after_another(url: str, workflow: str, *, runs: int, nodes: int) -> Figures:
    connection = await Connection.open(url)
    latencies = []
    for _ in range(runs):
        began = time.perf_counter()
        expect_success(await connection.wait(await connection.start(workflow, {"value": 1})))
        latencies.append(time.perf_counter() - began)
    connection.close()
    return Figures(sum(latencies), runs * nodes, latencies)


def expect_success(run: Json) -> None:
    if run["state"] != "succeeded":
        raise RuntimeError(f"run {run['id']} {run['state']}: {run['failure']}")


WORKLOADS: dict[str, Callable[[str], Awaitable[Figures]]] = {
    "W1": lambda url: one_run(url, "w1", 40),
    "W2": lambda url: one_run(url, "w2", 102),
    "W3": lambda url: many_at_once(url, "w3", runs=1000, nodes=10),
    "W4": lambda url: one_after_another(url, "w4", runs=200, nodes=2),
    "W5": lambda url: one_run(url, "w5", 2000),
    "W6": lambda url: one_run(url, "w6", ITEMS, given={"values": list(range(ITEMS))}),
    "W7": lambda url: many_at_once(url, "w7", runs=UNDONE_RUNS, nodes=9),
}
