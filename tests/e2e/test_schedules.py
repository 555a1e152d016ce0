"""A schedule from its definition to the end of its run, through the public API and the command line's words."""

import asyncio

import asyncpg

from tests.e2e.conftest import Api
from tests.invariants import broken_invariants
from tests.stack import Stack

EVERY_HOUR = {
    "name": "hourly-report",
    "nodes": {"write": {"agent": "steady", "with": {"at": "${{ inputs.at }}"}}},
    "output": "${{ nodes.write.output.at }}",
    "triggers": [
        {
            "schedule": {
                "cron": "0 * * * *",
                "timezone": "Europe/Zurich",
                "name": "every-hour",
                "catch_up": "one",
                "input": {"at": "${{ schedule.at }}"},
            }
        }
    ],
}


async def test_a_schedule_that_came_due_starts_its_run_which_succeeds(api: Api, stack: Stack) -> None:
    await api.define(EVERY_HOUR)
    path = "/schedules/hourly-report/every-hour"
    assert (await api.get(path))["ticks"] == []

    await come_due(stack)
    async with asyncio.timeout(20):
        while not (ticks := (await api.get(path))["ticks"]) or ticks[0]["run_id"] is None:
            await asyncio.sleep(0.05)
    run = await api.ended(ticks[0]["run_id"])

    assert (run["state"], run["labels"]) == ("succeeded", {"schedule": "every-hour"})
    assert run["output"] == ticks[0]["moment"]
    assert await broken_invariants(stack.postgres.url()) == {}


async def come_due(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.postgres.url())
    await connection.execute(
        "update schedule set next_at = date_trunc('hour', now()) where workflow = 'hourly-report'"
    )
    await connection.close()
