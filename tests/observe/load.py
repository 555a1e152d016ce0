"""A load in which everything happens that dashboards show: success, failure, retries, waits, undoing, breakers, losses.

Its counters appear with its first round and grow in its second: a rate needs both.
"""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg

from penstock.bus import permissions
from penstock.bus.connection import connect
from penstock.contracts.wire import encode
from tests.e2e.agents import write_agent
from tests.e2e.conftest import Api, Json, actor
from tests.observe import neighbours
from tests.stack import Stack

FRAIL = "frail"  # the pool whose runner is frozen
EVENT = "com.github.push"
TRIGGER = "com.github.release"

END_THE_LOCKED = "select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event_type = 'Lock'"

METER = """
import sys
from pathlib import Path
from penstock.agents import agent, context, llm

@agent
def meter(source: str = "") -> dict[str, str]:
    print("at work", file=sys.stderr)
    llm.ask("Is all well?")
    page = Path(context.out_folder) / "page.txt"
    page.write_text("written")
    context.report_usage("large-1", tokens_in=100, tokens_out=20, cost_dollars=0.01)
    context.report_usage("unpriced-1", tokens_in=10, tokens_out=2)
    return {"page": str(page)}

meter.run()
"""

WORKFLOWS: tuple[Json, ...] = (
    {"name": "well", "nodes": {"one": {"agent": "steady", "with": {"value": 1}}}},
    {"name": "shaky", "nodes": {"one": {"agent": "flaky", "with": {"value": 1}}}},
    {"name": "broken", "nodes": {"one": actor(value=1, failures=9)}},
    {
        "name": "metered",
        "inputs": {"type": "object", "properties": {"source": {"type": "string", "format": "artifact"}}},
        "nodes": {"one": {"agent": "meter", "with": {"source": "${{ inputs.source }}"}}},
    },
    {
        "name": "undone",
        "on_failure": "compensate",
        "nodes": {
            "first": actor(value=1, compensate={"agent": "actor", "with": {"value": 2}}),
            "last": actor(value=3, failures=9, needs=["first"]),
        },
    },
    {
        "name": "dependent",
        "nodes": {
            "call": {
                "agent": "dependent",
                "with": {"down": "${{ inputs.down }}"},
                "depends_on": ["crm"],
                "retry": "none",
            }
        },
    },
    {"name": "waiting", "nodes": {"push": {"wait": {"event": {"type": EVENT, "look_back": "0s"}}}}},
    {"name": "frozen", "nodes": {"nap": {"agent": "sleeper", "pool": FRAIL, "with": {"seconds": 600}}}},
    {
        "name": "scheduled",
        "nodes": {"one": {"agent": "steady", "with": {"value": 1}}},
        "triggers": [{"schedule": {"cron": "0 * * * *", "catch_up": "one"}}],
    },
    {
        "name": "triggered",
        "nodes": {"one": {"agent": "steady", "with": {"value": 1}}},
        "triggers": [{"event": {"type": TRIGGER}}],
    },
)


def write_agents(folder: Path) -> Path:
    write_agent(folder, "meter", METER, models=["default"])
    return folder


async def define(api: Api, stack: Stack, *, hook: str) -> None:
    for workflow in WORKFLOWS:
        await api.define(workflow)
    await neighbours.subscribe(stack, hook)


async def run_round(api: Api, stack: Stack, number: int) -> None:
    """Everything once; returns when all of it has happened."""
    await asyncio.gather(
        _runs(api),
        _breaker(api),
        _event(api),
        _send(api, TRIGGER, f"trigger-{number}"),
        _frozen_runner(api, stack),
        _schedule(api, stack),
        _garbage(stack),
        _broken_statements(api, stack),
        neighbours.tell_alert(stack, number),
        neighbours.watch(api, stack),
    )


async def _runs(api: Api) -> None:
    content = await api.client.post("/api/v1/artifacts", content=b"a file")
    inputs = {"metered": {"source": f"artifact://{content.json()['sha256']}/a.txt"}}
    names = ("well", "shaky", "broken", "metered", "undone")
    runs = [await api.start(name, inputs.get(name)) for name in names for _ in range(2)]
    for run in runs:
        await api.ended(run)
    await api.client.get("/api/v1/runs/00000000-0000-0000-0000-000000000000")


async def _breaker(api: Api) -> None:
    """Five failures open it; the next run is held back, until somebody closes it in the next round."""
    await api.client.post(
        "/api/v1/breakers/dependency%2Fcrm/close", json={"by": "ada", "reason": "a new round"}
    )
    for _ in range(5):
        await api.ended(await api.start("dependent", {"down": True}))
    held = await api.start("dependent", {"down": False})
    await api.until_node(held, "call", "suspended")


async def _event(api: Api) -> None:
    run = await api.start("waiting")
    await api.until_node(run, "push", "suspended")
    await _send(api, EVENT, run)
    await api.ended(run)


async def _send(api: Api, kind: str, id: str) -> None:
    event = {"specversion": "1.0", "id": id, "source": "/github", "type": kind, "data": {}}
    headers = {"content-type": "application/cloudevents+json"}
    answer = await api.client.post("/api/v1/events", content=encode(event), headers=headers)
    assert answer.status_code == 202, answer.text


async def _frozen_runner(api: Api, stack: Stack) -> None:
    """A runner sleeps longer than its lease: the lease lapses, and when it wakes it has lost its attempt."""
    run = await api.start("frozen")
    await api.until_node(run, "nap", "running")
    process = stack.services["runner-1"]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    await api.until_node(run, "nap", "ready")
    os.kill(process.pid, signal.SIGCONT)
    await api.post(f"/runs/{run}/cancel", by="ada", reason="enough")


async def _schedule(api: Api, stack: Stack) -> None:
    connection = await asyncpg.connect(stack.postgres.url())
    await connection.execute("update schedule set next_at = date_trunc('hour', now())")
    await connection.close()


async def _garbage(stack: Stack) -> None:
    """What is no event, and what is no order."""
    for user, subject in (
        (permissions.PUBLISHER, f"penstock.in.default.{EVENT}"),
        ("orchestrator", "penstock.node.ready.default.steady"),
    ):
        login = stack.nats.login(user)
        async with connect(
            url=stack.nats.url, user=login.user, password=login.password, name="villain"
        ) as bus:
            await bus.client.jetstream().publish(subject, b"garbage")


async def _broken_statements(api: Api, stack: Stack) -> None:
    """The database refuses to go on with a statement: the client gets an error of ours."""
    holder = await asyncpg.connect(stack.postgres.url())
    # Not the same: a transaction sees the activity of others as it was when it looked first.
    breaker = await asyncpg.connect(stack.postgres.url())
    try:
        async with holder.transaction():
            await holder.execute("lock table runner in access exclusive mode")
            asked = asyncio.create_task(api.client.get("/api/v1/agents"))
            while not asked.done():
                await breaker.execute(END_THE_LOCKED)
                await asyncio.sleep(0.02)
        assert (await asked).is_server_error
    finally:
        await holder.close()
        await breaker.close()
