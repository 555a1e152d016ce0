"""The store's two safety nets, broken on purpose: the laws of the engine must tell. Each holds when unbroken."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed, AttemptSucceeded
from orchestrator.store import save
from tests.engine.conftest import World
from tests.invariants import STATEMENTS

pytestmark = pytest.mark.long

WIDTH = 6
DONE = b'{"value": 1}'

Law = Callable[[World, World], Awaitable[None]]


async def what_another_orchestrator_decided_is_not_overwritten(world: World, other: World) -> None:
    """Both remember the run as it began; then they take its nodes in turn."""
    names = [f"n{number}" for number in range(WIDTH)]
    nodes = {name: {"agent": "echo", "with": {"value": 1}} for name in names}
    await world.define({"name": "wide", "nodes": nodes})
    run = (await world.start("wide")).run_id
    for each in (world, other):
        stranger = AttemptSucceeded("n0", 1, uuid4(), DONE)
        assert await each.engine.handle([(run, stranger)]) == [Outcome.LATE]

    # One at a time: a batch that the timeline's primary key refuses is tried again in halves, on fresh memory.
    answers = []
    for number, name in enumerate(names):
        claim = AttemptClaimed(name, 1, uuid4(), "r")
        answers += await (world, other)[number % 2].engine.handle([(run, claim)])

    assert answers == [Outcome.APPLIED] * WIDTH
    assert (await world.kinds(run)).count("node.started") == WIDTH
    for name, statement in STATEMENTS.items():
        assert await world.pool.fetch(statement) == [], name


async def an_attempt_that_somebody_else_holds_is_not_completed(world: World, _: World) -> None:
    """The run's version is as remembered, but its node is in other hands."""
    await world.define({"name": "one", "nodes": {"n0": {"agent": "echo", "with": {"value": 1}}}})
    run = (await world.start("one")).run_id
    token = await world.claim(run, "n0")
    await world.pool.execute("update node set token = $2 where run_id = $1", run, uuid4())

    await world.engine.handle([(run, AttemptSucceeded("n0", 1, token, DONE))])

    assert (await world.node(run, "n0"))["state"] == "running"
    assert (await world.run(run))["state"] == "running"


VERSION_GUARD = ("r.version = a.expected as fresh", "true as fresh")
TOKEN_CHECK = ("and n.attempt = x.attempt_expected and n.token is not distinct from x.token_expected", "")
COUNT_CHECK = ("not guard.ok or penstock_fence(", "not guard.ok or 0 <= greatest(")

MUTANTS = [
    pytest.param(VERSION_GUARD, what_another_orchestrator_decided_is_not_overwritten, id="no-version-guard"),
    pytest.param(TOKEN_CHECK, an_attempt_that_somebody_else_holds_is_not_completed, id="no-token-check"),
    pytest.param(COUNT_CHECK, an_attempt_that_somebody_else_holds_is_not_completed, id="no-fence"),
]


@pytest.mark.parametrize(("_", "law"), MUTANTS)
async def test_the_law_holds(_: object, law: Law, world: World, second_world: World) -> None:
    await law(world, second_world)


@pytest.mark.parametrize(("mutation", "law"), MUTANTS)
async def test_the_law_tells_of_the_mutant(
    mutation: tuple[str, str], law: Law, world: World, second_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy, broken = mutation
    assert save._SAVE.count(healthy) == 1, "the statement has changed: change the mutant with it"
    monkeypatch.setattr(save, "_SAVE", save._SAVE.replace(healthy, broken))

    with pytest.raises(AssertionError):
        await law(world, second_world)
