"""The protocol of one node as a finite model: two runners, a few attempts, a network that may do anything.

The transition function of the orchestrator is the real `decide`. Its memory is what it committed: a commit is
atomic, and a crash right after it loses what was to be sent, which is the same as sending it and losing it.
A message in flight can be lost, delivered, or delivered and stay (so it comes again, and late). Leases lapse
at any moment, as for a runner that was paused.

The model stays small by symmetry: runners have no names, a token is only compared, so both are renumbered,
and the token that holds the node is always number 0. Nothing asks for the number of a publication.
"""

from collections.abc import Iterator
from typing import NamedTuple

from orchestrator.domain import decide as core
from orchestrator.domain.decision import Decision, Outcome, PublishReady
from orchestrator.domain.events import (
    Answered,
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    CancelRequested,
    LeaseLapsed,
    ReadyWentUnclaimed,
    RetryCameDue,
    RunEvent,
)
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.rebuild import rebuild
from orchestrator.domain.run import RUN_ENDED, Run
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.value import replace
from tests.builders import RUN_ID, SHAKY, evaluate, node, plan, retrying, token
from tests.proof.model_check import Report
from tests.proof.model_check import check as explore

NAME = "work"
PLAN = plan(node(NAME, retry=retrying(2)))
ATTEMPTS_MAX = 3  # two in the budget, and one that was given back or parked
IN_FLIGHT_MAX = 2
RESULTS = ("succeeded", "failed", "released", "parked")
AT_NO_COST = ("released", "parked")
QUESTION = AgentQuestion("go", "Go on?")
HOLDER = 0  # the number of the token that holds the node, if one does
NOBODY = -1
TOKENS = tuple(token(f"token {number}") for number in range(8))


class Message(NamedTuple):
    """`kind`: ready | claim | granted | refused, or one of RESULTS."""

    kind: str
    attempt: int
    token: int = NOBODY


class Runner(NamedTuple):
    """`doing`: idle | claiming | working."""

    doing: str = "idle"
    attempt: int = 0
    token: int = NOBODY


IDLE = Runner()


class World(NamedTuple):
    """`row` is what the database holds of the run: an index into the model's table."""

    row: int
    runners: tuple[Runner, ...] = (IDLE, IDLE)
    flying: frozenset[Message] = frozenset()


class NodeProtocol:
    """The model. `with_sweep=False` leaves out the clock's door."""

    def __init__(self, *, with_sweep: bool = True) -> None:
        self._with_sweep = with_sweep
        self._rows: list[Run] = []
        self._index: dict[tuple[object, ...], int] = {}
        self._decided: dict[tuple[int, RunEvent | bool], tuple[int, Decision]] = {}

    def explore(self) -> Report:
        begun = core.begin(id=RUN_ID, project="default", plan=PLAN, input=b"{}", evaluate=evaluate)
        start = _send(World(self._row_of(begun.run)), Message("ready", 1))
        return explore(
            start, successors=self.successors, has_ended=self.has_ended, assert_safe=_assert_one_holder
        )

    def has_ended(self, world: World) -> bool:
        return self._rows[world.row].state in RUN_ENDED

    def successors(self, world: World) -> Iterator[tuple[str, World]]:
        if self.has_ended(world):
            self._assert_nothing_moves(world)
            return
        for label, following in self._steps(world):
            yield label, _renumbered(following, is_held=self._node(following).token is not None)

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        for message in world.flying:
            without = world._replace(flying=world.flying - {message})
            yield f"lost: {message}", without
            for rest, how in ((without, ""), (world, " (and stays)")):
                for label, following in self._deliver(rest, message):
                    yield f"{label}{how}", following
        for index, runner in enumerate(world.runners):
            yield from _steps_of_runner(world, index, runner)
        if self._node(world).state is NodeState.SUSPENDED:
            for approved in (True, False):
                answer = Answered(NAME, approved, "ada", question=QUESTION.key)
                yield f"a person answers: {approved}", self._commit(world, answer)[0]
        yield "cancel", self._commit(world, CancelRequested(by="ada", reason="enough"))[0]
        if self._with_sweep:
            yield from self._sweep(world)

    def _deliver(self, world: World, message: Message) -> Iterator[tuple[str, World]]:
        if message.kind == "ready":
            for index, runner in enumerate(world.runners):
                if runner.doing == "idle":
                    yield f"runner {index} takes {message}", self._claim(world, index, message.attempt)
        elif message.kind in ("granted", "refused"):
            yield f"runner gets {message}", _answered(world, message)
        elif message.kind == "claim":
            yield f"orchestrator gets {message}", self._ask(world, message)
        else:
            yield f"orchestrator gets {message}", self._record(world, message)

    def _claim(self, world: World, index: int, attempt: int) -> World:
        """A claim with a token that nobody else speaks of."""
        spoken_of = {HOLDER, *_tokens_in(world)}
        fresh = next(number for number in range(len(TOKENS)) if number not in spoken_of)
        claiming = _with_runner(world, index, Runner("claiming", attempt, fresh))
        return _send(claiming, Message("claim", attempt, fresh))

    def _sweep(self, world: World) -> Iterator[tuple[str, World]]:
        held = self._node(world)
        if held.token is not None:
            lapsed = LeaseLapsed(node=NAME, attempt=held.attempt, token=held.token, spread=0.0)
            yield f"sweep: the lease of attempt {held.attempt} lapses", self._commit(world, lapsed)[0]
        if held.state is NodeState.BACKOFF:
            yield "sweep: retry", self._commit(world, RetryCameDue(node=NAME, attempt=held.attempt))[0]
        if held.state is NodeState.READY:
            again = ReadyWentUnclaimed(node=NAME, attempt=held.attempt, publication=held.publication)
            yield "sweep: publish again", self._commit(world, again)[0]

    def _ask(self, world: World, claim: Message) -> World:
        """A granted token takes the number of the holder, in whatever speaks of it."""
        event = AttemptClaimed(node=NAME, attempt=claim.attempt, token=TOKENS[claim.token], runner="r")
        world, decision = self._commit(world, event)
        if decision.outcome is Outcome.APPLIED:
            world = _swapped(world, claim.token, HOLDER)
            return _send(world, Message("granted", claim.attempt, HOLDER))
        kind = "granted" if decision.outcome is Outcome.REPEATED else "refused"
        return _send(world, Message(kind, claim.attempt, claim.token))

    def _record(self, world: World, result: Message) -> World:
        """A result may change something only while its own token holds its own attempt."""
        held, event = self._node(world), _event_of(result)
        world, decision = self._commit(world, event)
        if decision.outcome is Outcome.APPLIED:
            assert held.state is NodeState.RUNNING, f"{result} was accepted while {held.state.value}"
            holder = (held.attempt, held.token)
            assert holder == (event.attempt, event.token), f"{result} was accepted from one who holds nothing"
        return world

    def _assert_nothing_moves(self, world: World) -> None:
        """Whatever may still arrive after the end is refused."""
        for runner in world.runners:
            for kind in RESULTS if runner.doing == "working" else ():
                self._record(world, Message(kind, runner.attempt, runner.token))
        for message in world.flying:
            if message.kind in RESULTS:
                self._record(world, message)
            elif message.kind == "claim":
                assert self._ask(world, message).row == world.row, f"{message} changed a run that has ended"

    def _commit(self, world: World, event: RunEvent) -> tuple[World, Decision]:
        key = (world.row, event.approved if isinstance(event, Answered) else event)
        known = self._decided.get(key)
        if known is None:
            decision = core.decide(self._rows[world.row], event, evaluate=evaluate)
            known = self._decided[key] = (self._row_of(decision.run), decision)
        row, decision = known
        world = world._replace(row=row)
        for command in decision.commands:
            if isinstance(command, PublishReady):
                world = _send(world, Message("ready", command.attempt))
        return world, decision

    def _row_of(self, run: Run) -> int:
        """The run as it comes back from the database, without what grows for ever or is for people only."""
        stored = run.nodes[NAME]
        assert stored.attempt <= ATTEMPTS_MAX, "more attempts than the budget allows"
        kept = replace(
            stored,
            token=stored.token and TOKENS[HOLDER],
            publication=min(stored.publication, 1),
            runner=stored.runner and "r",
            failure=stored.failure and SHAKY,
            wake_in=None,
        )
        key = (run.state, kept, run.cancel_reason is None, run.failure is None)
        if key not in self._index:
            self._index[key] = len(self._rows)
            self._rows.append(_read_back(run, kept))
        return self._index[key]

    def _node(self, world: World) -> Node:
        return self._rows[world.row].nodes[NAME]


def _read_back(run: Run, kept: Node) -> Run:
    return rebuild(replace(run, nodes=PLAN.beginning), {NAME: kept})


def _steps_of_runner(world: World, index: int, runner: Runner) -> Iterator[tuple[str, World]]:
    if runner.doing == "idle":
        return
    idle = _with_runner(world, index, IDLE)
    yield f"runner {index} crashes or gives up", idle
    if runner.doing == "claiming":
        yield f"runner {index} asks again", _send(world, Message("claim", runner.attempt, runner.token))
        return
    for kind in RESULTS:
        # What costs no attempt could go on for ever: once is enough to see what it does.
        if kind not in AT_NO_COST or runner.attempt == 1:
            yield f"runner {index}: {kind}", _send(idle, Message(kind, runner.attempt, runner.token))


def _send(world: World, message: Message) -> World:
    """A full network loses what is sent, as networks do."""
    if len(world.flying) >= IN_FLIGHT_MAX:
        return world
    return world._replace(flying=world.flying | {message})


def _with_runner(world: World, index: int, runner: Runner) -> World:
    return world._replace(runners=(*world.runners[:index], runner, *world.runners[index + 1 :]))


def _answered(world: World, answer: Message) -> World:
    """An answer to a claim that nobody makes any more is dropped."""
    claiming = Runner("claiming", answer.attempt, answer.token)
    if claiming not in world.runners:
        return world
    runner = Runner("working", answer.attempt, answer.token) if answer.kind == "granted" else IDLE
    return _with_runner(world, world.runners.index(claiming), runner)


def _assert_one_holder(world: World) -> None:
    first, second = world.runners
    assert not (first.doing == second.doing == "working" and first.attempt == second.attempt), (
        f"two runners work on attempt {first.attempt}"
    )


def _event_of(result: Message) -> AttemptSucceeded | AttemptFailed | AttemptReleased | AttemptParked:
    attempt, held = result.attempt, TOKENS[result.token]
    if result.kind == "succeeded":
        return AttemptSucceeded(node=NAME, attempt=attempt, token=held, output=b"{}")
    if result.kind == "failed":
        return AttemptFailed(node=NAME, attempt=attempt, token=held, failure=SHAKY, spread=0.0)
    if result.kind == "parked":
        return AttemptParked(node=NAME, attempt=attempt, token=held, question=QUESTION)
    return AttemptReleased(node=NAME, attempt=attempt, token=held)


def _tokens_in(world: World) -> list[int]:
    """In an order that does not depend on their numbers, as far as that goes."""
    messages = sorted(world.flying, key=lambda message: message[:2])
    tokens = [runner.token for runner in world.runners] + [message.token for message in messages]
    return [number for number in tokens if number != NOBODY]


def _renumbered(world: World, *, is_held: bool) -> World:
    """The same world with its runners in one order and its tokens counted from 0, which is the holder's."""
    world = world._replace(runners=tuple(sorted(world.runners)))
    numbers = {NOBODY: NOBODY}
    if is_held:
        numbers[HOLDER] = HOLDER
    first_free = 0 if not is_held else 1
    for number in _tokens_in(world):
        if number not in numbers:
            numbers[number] = first_free
            first_free += 1
    return _with_numbers(world, numbers)


def _swapped(world: World, one: int, other: int) -> World:
    numbers = {number: number for number in _tokens_in(world)} | {NOBODY: NOBODY, one: other, other: one}
    return _with_numbers(world, numbers)


def _with_numbers(world: World, numbers: dict[int, int]) -> World:
    return world._replace(
        runners=tuple([runner._replace(token=numbers[runner.token]) for runner in world.runners]),
        flying=frozenset([message._replace(token=numbers[message.token]) for message in world.flying]),
    )
