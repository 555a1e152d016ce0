"""A run keeps the version that it was started with, whoever goes on with it."""

import json

from orchestrator.domain.events import CancelRequested, RetryRequested
from penstock.definition import load
from tests.engine.conftest import World, chain


async def save_next(world: World, document: dict[str, object]) -> None:
    """Save version 2 of a workflow."""
    loaded = load(json.dumps(document))
    name = loaded.definition.name
    await world.pool.execute(
        "insert into workflow_version (project, name, version, digest, source) values ('default', $1, 2, $2, $3)",
        name,
        loaded.digest,
        loaded.canonical.decode(),
    )
    await world.pool.execute("update workflow set latest_version = 2 where name = $1", name)


async def test_a_running_run_keeps_its_version_while_a_newer_one_is_saved(
    world: World, second_world: World
) -> None:
    await world.define(chain("grow", length=2))
    old = (await world.start("grow")).run_id
    await save_next(world, chain("grow", length=3))
    new = (await world.start("grow", version=2)).run_id

    for run in (old, new):
        await world.succeed(run, "n0")
        await second_world.succeed(run, "n1")  # has never seen the run: it reads run and version back

    assert (await world.run(old))["state"] == "succeeded"
    assert (await world.run(new))["state"] == "running"
    assert (await world.node(new, "n2"))["state"] == "ready"


async def test_a_retried_run_keeps_its_version_too(world: World, second_world: World) -> None:
    await world.define(chain("grow", length=1))
    run = (await world.start("grow")).run_id
    await world.engine.control("default", run, CancelRequested(by="ann", reason="wrong input"))
    await save_next(world, chain("grow", length=3))

    await second_world.engine.control("default", run, RetryRequested(by="ben"))
    await second_world.succeed(run, "n0", attempt=(await world.node(run, "n0"))["attempt"])

    assert (await world.run(run))["state"] == "succeeded"
    assert (await world.run(run))["workflow_version"] == 1
