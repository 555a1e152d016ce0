"""What must hold in every database: a healthy one has nothing to tell, and each statement tells of what it is for."""

from pathlib import Path
from uuid import UUID

import pytest

from orchestrator.domain.events import AttemptFailed
from penstock.contracts.failure import ErrorClass, Failure
from tests.engine.conftest import World
from tests.invariants import STATEMENTS, statements_in

UNDO = {"agent": "echo", "with": {"undoes": "${{ output.value }}"}}
WORK = {"agent": "echo", "with": {"value": 1}}
SHOP = {
    "name": "shop",
    "concurrency": {"key": "all", "limit": 1},
    "on_failure": "compensate",
    "nodes": {
        "charge": {**WORK, "compensate": UNDO},
        "ship": {**WORK, "needs": ["charge"], "foreach": [1, 2, 3], "max_parallel": 2, "compensate": UNDO},
        "last": {**WORK, "needs": ["ship"], "retry": "none"},
    },
}
ASKING = {"name": "asking", "nodes": {"ask": {"approval": {"message": "well?"}}, "work": WORK}}

BREAKS = statements_in(Path(__file__).with_name("breaks.sql"))


async def undone(world: World) -> UUID:
    """A run whose last node failed, so that three items and a node were undone."""
    await world.define(SHOP)
    run = (await world.start("shop")).run_id
    for name in ("charge", "ship[1]", "ship[0]", "ship[2]"):
        await world.succeed(run, name)
    token = await world.claim(run, "last")
    failure = Failure("Broken", "it broke", ErrorClass.VALIDATION)
    await world.engine.handle([(run, AttemptFailed("last", 1, token, failure, 0.0))])
    for name in ("ship[2]", "ship[0]", "ship[1]", "charge"):
        await world.succeed(run, f"{name}:undo")
    assert (await world.run(run))["state"] == "compensated"
    return run


async def told(world: World) -> set[str]:
    return {name for name, statement in STATEMENTS.items() if await world.pool.fetch(statement)}


@pytest.mark.parametrize("name", BREAKS)
async def test_each_statement_tells_of_what_it_is_for(name: str, world: World) -> None:
    run = await undone(world)
    await world.define(ASKING)
    asking = (await world.start("asking")).run_id
    assert await told(world) == set()

    statement = BREAKS[name]
    given = [value for key, value in (("$1", run), ("$2", asking)) if key in statement]
    await world.pool.execute(statement if "$1" in statement else statement.replace("$2", "$1"), *given)

    assert name in await told(world)
