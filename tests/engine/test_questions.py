"""What agents ask and people answer, as the database keeps it: between orchestrators, attempts and retries."""

import json
from uuid import UUID, uuid4

from orchestrator.bus.results import event_of
from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import Answered, AttemptFailed, AttemptParked, RetryCameDue
from orchestrator.engine.dispatch import Offer
from orchestrator.engine.relay import offer_message
from orchestrator.engine.span_contexts import HANDED_ON
from penstock.contracts.limits import QUESTION_BYTES_MAX
from penstock.contracts.messages import AgentAnswer, AgentQuestion, Result, StartNode
from penstock.contracts.usage import Usage
from penstock.contracts.wire import decode
from tests.builders import SHAKY
from tests.engine.conftest import World, chain
from tests.engine.test_apply import assert_invariants

YES = AgentAnswer(True, "ada", "fine")


async def parked(world: World, key: str, *, attempt: int = 1, run: UUID | None = None) -> UUID:
    """A run whose first node's agent asks this."""
    if run is None:
        await world.define(chain("demo"))
        run = (await world.start("demo")).run_id
    token = await world.claim(run, "n0", attempt=attempt)
    asked = AttemptParked("n0", attempt, token, AgentQuestion(key, f"{key}?"), Usage(seconds=1.5))
    assert await world.engine.handle([(run, asked)]) == [Outcome.APPLIED]
    return run


async def offered(world: World, run: UUID) -> StartNode:
    """The order that the next runner gets."""
    known = (await world.engine.runs.fetch([run]))[run]
    return decode(offer_message(Offer(known, "n0"), HANDED_ON)[1], StartNode)


async def test_an_answer_given_at_one_orchestrator_goes_out_with_the_order_of_another(
    world: World, second_world: World
) -> None:
    run = await parked(world, "first")
    row = await world.node(run, "n0")

    answered = await second_world.engine.answer("default", run, Answered("n0", True, "ada", "fine"))
    await parked(world, "second", attempt=2, run=run)
    again = await second_world.engine.answer("default", run, Answered("n0", True, "bob"))
    order = await offered(second_world, run)

    assert (row["state"], row["token"], row["wake_at"], row["deadline_at"]) == ("suspended", None, None, None)
    assert answered is again is Outcome.APPLIED
    assert order.attempt == 3
    assert order.answers == {"first": YES, "second": AgentAnswer(True, "bob")}
    await assert_invariants(world)


async def test_answers_outlive_a_failed_attempt_and_an_orchestrator_without_memory(world: World) -> None:
    run = await parked(world, "first")
    await world.engine.answer("default", run, Answered("n0", True, "ada", "fine"))
    token = await world.claim(run, "n0", attempt=2)
    failed = AttemptFailed("n0", 2, token, SHAKY, 0.0)

    outcomes = await world.engine.handle([(run, failed), (run, RetryCameDue("n0", 2))])
    world.engine.runs.forget(run)

    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED]
    assert (await offered(world, run)).answers == {"first": YES}
    assert json.loads((await world.node(run, "n0"))["answers"])["first"]["by"] == "ada"


def test_a_question_that_no_person_could_answer_fails_its_attempt() -> None:
    asked = AgentQuestion("go", "Go?", details="x" * QUESTION_BYTES_MAX)

    event = event_of(Result(uuid4(), "n0", 1, uuid4(), parked=asked))

    assert isinstance(event, AttemptFailed)
    assert event.failure.type == "UnaskableQuestion"
