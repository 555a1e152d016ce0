"""Stores: rows a second from inside sandboxes, into a store that is empty and one of 100,000 rows; and an undo.

A row is one write, except where the store is filled and for the undo: there a write has as many rows as it may have.
"""

import json

from benchmarks.client import Connection, Json
from penstock.contracts.limits import STORE_OPERATIONS_MAX
from tests.stack import Stack

ROWS = 100_000
UNDONE = 10_000
WRITERS = (1, 16)
WRITES = 800  # of all writers together

STORE = {
    "name": "books",
    "tables": {
        "entries": {
            "row": {
                "type": "object",
                "required": ["user", "hours"],
                "additionalProperties": False,
                "properties": {
                    "user": {"type": "string"},
                    "hours": {"type": "number"},
                    "text": {"type": "string"},
                },
            }
        }
    },
}


async def measure_store(stack: Stack) -> None:
    """Prints a line for each figure."""
    connection = await Connection.open(stack.url)
    await connection.request("PUT", "/api/v1/stores/books", STORE)
    await write(connection, "warm-up", writers=max(WRITERS), writes=max(WRITERS), rows=1)
    for writers in WRITERS:
        await write(connection, f"empty-{writers}", writers=writers, writes=WRITES, rows=1)
    await write(connection, "fill", writers=1, writes=ROWS // STORE_OPERATIONS_MAX, rows=STORE_OPERATIONS_MAX)
    for writers in WRITERS:
        await write(connection, f"full-{writers}", writers=writers, writes=WRITES, rows=1)
    await undo(connection)
    connection.close()


async def write(connection: Connection, name: str, *, writers: int, writes: int, rows: int) -> None:
    """`writes` of `rows` new rows each, by `writers` nodes at once."""
    each = {"writes": writes // writers, "rows": rows}
    nodes = {f"writer-{number}": _node(prefix=f"{name}-{number}", **each) for number in range(writers)}
    held = await rows_of(connection)
    outputs = await outputs_of(connection, f"store-{name}", nodes)
    report(f"store {name}", list(outputs.values()), held=held, writers=writers, rows_per_write=rows)


async def undo(connection: Connection) -> None:
    """Of what another node of the same run has just written."""
    held = await rows_of(connection)
    writes = UNDONE // STORE_OPERATIONS_MAX
    nodes = {
        "write": _node(prefix="undone", writes=writes, rows=STORE_OPERATIONS_MAX),
        "undo": {**_node(undo="write"), "needs": ["write"]},
    }
    outputs = await outputs_of(connection, "store-undo", nodes)
    report("store undo", [outputs["undo"]], held=held + UNDONE)


def _node(**given: Json) -> Json:
    return {"agent": "bookkeeper", "with": given, "retry": "none"}


async def outputs_of(connection: Connection, workflow: str, nodes: Json) -> dict[str, Json]:
    """What each node answered, once the run has ended."""
    await connection.request("POST", "/api/v1/workflows", {"name": workflow, "nodes": nodes})
    run = await connection.wait(await connection.start(workflow, {}))
    if run["state"] != "succeeded":
        raise RuntimeError(f"{workflow}: {run}")
    found = {
        name: await connection.request("GET", f"/api/v1/runs/{run['id']}/nodes/{name}") for name in nodes
    }
    return {name: node["output"] for name, node in found.items()}


async def rows_of(connection: Connection) -> int:
    store = await connection.request("GET", "/api/v1/stores/books")
    return int(sum(table["rows"] for table in store["tables"]))


def report(workload: str, outputs: list[Json], *, held: int, **more: int) -> None:
    """`held`: the rows of the store before."""
    seconds = max(each["ended"] for each in outputs) - min(each["began"] for each in outputs)
    rows = sum(each["rows"] for each in outputs)
    line = {
        "system": "penstock",
        "workload": workload,
        "rows_before": held,
        **more,
        "rows": rows,
        "seconds": round(seconds, 3),
        "rows_per_s": round(rows / seconds),
    }
    print(json.dumps(line), flush=True)
