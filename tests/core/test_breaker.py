"""Circuit breakers: when they open, what they let through, how they recover (requirement V5)."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from orchestrator.domain.breaker import (
    Admitted,
    Breaker,
    BreakerState,
    Probe,
    Refused,
    Report,
    admit,
    ask,
    close,
    free_permits,
    open_by_hand,
    record,
    refuse,
    report_of,
    wait,
)
from orchestrator.domain.breaker_keys import BreakerKey, breaker_keys
from orchestrator.domain.explanation.held import HeldFacts, why_held
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.value import replace
from penstock.contracts.workflow import BreakerPolicy
from tests.builders import node

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
POLICY = BreakerPolicy()
HOUR = timedelta(hours=1)
FOREVER = timedelta(days=365)


def holder(number: int) -> UUID:
    return UUID(int=number)


class Clocked:
    """A breaker with a clock that a test moves, and numbered callers."""

    def __init__(self, policy: BreakerPolicy = POLICY, *, permit: timedelta = FOREVER) -> None:
        self.permit = permit
        self.breaker = Breaker(policy)
        self.now = NOON
        self._calls = 0

    def after(self, seconds: float) -> "Clocked":
        self.now += seconds * SECOND
        return self

    def call(self) -> UUID | None:
        """A permit's holder, or None when it was refused."""
        if isinstance(ask(self.breaker, now=self.now), Refused):
            self.breaker = refuse(self.breaker)
            return None
        self._calls += 1
        caller = holder(self._calls)
        self.breaker = admit(self.breaker, holder=caller, until=self.now + self.permit, now=self.now)
        return caller

    def end(self, caller: UUID | None, report: Report) -> None:
        assert caller is not None, "the call was refused"
        failure = "Down: no answer" if report is Report.FAILED else ""
        self.breaker = record(self.breaker, report, holder=caller, now=self.now, failure=failure)

    def tell(self, *reports: Report) -> "Clocked":
        for report in reports:
            self.end(self.call(), report)
        return self

    @property
    def state(self) -> BreakerState:
        return self.breaker.state


def broken() -> Clocked:
    return Clocked().tell(*[Report.FAILED] * 5)


def half_open() -> Clocked:
    """After its probe has succeeded."""
    return broken().after(60).tell(Report.SUCCEEDED)


def test_five_failures_within_the_window_open_it_for_the_cooldown() -> None:
    clocked = Clocked().tell(*[Report.FAILED] * 4)
    assert clocked.state is BreakerState.CLOSED

    clocked.tell(Report.FAILED)

    assert clocked.state is BreakerState.OPEN
    assert clocked.breaker.open_until == NOON + 60 * SECOND
    refused = ask(clocked.breaker, now=NOON)
    assert isinstance(refused, Refused)
    assert refused.until == clocked.breaker.open_until
    assert "5 of 5 calls failed, last: Down: no answer" in refused.reason


def test_failures_that_are_older_than_the_window_are_forgotten() -> None:
    clocked = Clocked().tell(*[Report.FAILED] * 4).after(61).tell(*[Report.FAILED] * 4)

    assert clocked.state is BreakerState.CLOSED
    assert clocked.breaker.failed == 4


@pytest.mark.parametrize(
    ("policy", "reports", "opens"),
    [
        (BreakerPolicy(failures=2, minimum=5), "FFSS", False),  # too few are known
        (BreakerPolicy(failures=2, minimum=5), "FFSSF", True),
        (BreakerPolicy(failures=2, minimum=2), "FSSF", True),  # half of them
        (BreakerPolicy(failures=2, minimum=2), "FSSSF", False),  # less than half
        (BreakerPolicy(failures=1, minimum=1), "F", True),
        (POLICY, "SSSSSSSSFFFFF", True),  # counting begins with the first failure
        (POLICY, "NNNNNNFFFF", False),  # what says nothing is not counted
    ],
)
def test_it_opens_at_failures_minimum_and_half(policy: BreakerPolicy, reports: str, opens: bool) -> None:
    of = {"F": Report.FAILED, "S": Report.SUCCEEDED, "N": Report.NOTHING}

    clocked = Clocked(policy).tell(*(of[letter] for letter in reports))

    assert (clocked.state is BreakerState.OPEN) is opens


def test_after_the_cooldown_one_probe_goes_through_and_nobody_else() -> None:
    clocked = broken().after(59.9)
    assert clocked.call() is None

    clocked.after(0.1)
    assert isinstance(ask(clocked.breaker, now=clocked.now), Probe)
    assert clocked.call() is not None

    assert clocked.state is BreakerState.HALF_OPEN
    assert [clocked.call() for _ in range(3)] == [None] * 3


def test_a_probe_that_fails_opens_it_for_another_cooldown() -> None:
    clocked = broken().after(60).tell(Report.FAILED)

    assert clocked.state is BreakerState.OPEN
    assert clocked.breaker.open_until == NOON + 120 * SECOND


def test_a_probe_that_says_nothing_makes_room_for_the_next() -> None:
    clocked = broken().after(60).tell(Report.NOTHING)

    assert clocked.state is BreakerState.HALF_OPEN
    assert clocked.call() is not None
    assert clocked.call() is None


def test_a_probe_whose_end_nobody_reports_makes_room_when_its_time_is_over() -> None:
    clocked = Clocked(permit=HOUR).tell(*[Report.FAILED] * 5).after(60)
    clocked.call()

    assert clocked.after(3_599).call() is None
    assert clocked.after(1).call() is not None


def test_recovery_goes_in_growing_steps_and_ends_in_closed() -> None:
    clocked = Clocked(BreakerPolicy(minimum=15)).tell(*[Report.FAILED] * 15).after(60)
    steps = []
    while clocked.state is not BreakerState.CLOSED:
        callers = []
        while (caller := clocked.call()) is not None:
            callers.append(caller)
        steps.append(len(callers))
        for caller in callers:
            clocked.end(caller, Report.SUCCEEDED)

    assert steps == [1, 2, 4, 8]
    assert (clocked.breaker.state, clocked.breaker.failed) == (BreakerState.CLOSED, 0)


def test_a_failure_while_recovering_opens_it_again() -> None:
    clocked = half_open()
    first, second = clocked.call(), clocked.call()

    clocked.end(first, Report.FAILED)
    clocked.end(second, Report.SUCCEEDED)

    assert clocked.state is BreakerState.OPEN
    assert clocked.breaker.recovered == 0


def test_calls_from_before_it_opened_say_nothing_about_its_recovery() -> None:
    clocked = Clocked()
    early = clocked.call()
    clocked.tell(*[Report.FAILED] * 5).after(60)
    probe = clocked.call()

    clocked.end(early, Report.FAILED)
    assert clocked.state is BreakerState.HALF_OPEN
    clocked.end(early, Report.SUCCEEDED)

    assert clocked.breaker.recovered == 0
    clocked.end(probe, Report.SUCCEEDED)
    assert clocked.breaker.recovered == 1


def test_a_person_opens_it_for_a_while_or_until_it_is_closed() -> None:
    for_a_while = open_by_hand(Breaker(), now=NOON, lasting=10 * SECOND)
    for_ever = open_by_hand(Breaker(), now=NOON, lasting=None)

    assert isinstance(ask(for_a_while, now=NOON + 10 * SECOND), Probe)
    refused = ask(for_ever, now=NOON + FOREVER)
    assert refused == Refused(None, "is open until a person closes it")
    assert isinstance(ask(close(for_ever), now=NOON), Admitted)


def test_closing_forgives_but_keeps_the_policy() -> None:
    closed = close(replace(broken().breaker, policy=BreakerPolicy(failures=9)))

    assert (closed.state, closed.failed, closed.policy.failures) == (BreakerState.CLOSED, 0, 9)


def test_the_first_to_wait_comes_back_on_time_and_many_are_spread() -> None:
    breaker = broken().breaker
    refused = ask(breaker, now=NOON)
    assert isinstance(refused, Refused)

    assert wait(breaker, refused, now=NOON, spread=1.0) == 60 * SECOND
    many = replace(breaker, refusals=99)
    assert wait(many, refused, now=NOON, spread=0.0) == 60 * SECOND
    assert wait(many, refused, now=NOON, spread=1.0) == 60 * SECOND * (1 + 0.99)


COUNTED = {
    *(ErrorClass.TIMEOUT, ErrorClass.NETWORK, ErrorClass.CONNECTION, ErrorClass.TEMPORARY),
    *(ErrorClass.RATE_LIMIT, ErrorClass.HTTP_502, ErrorClass.HTTP_503, ErrorClass.HTTP_504, ErrorClass.ERROR),
}


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_only_what_speaks_of_the_dependency_counts(error_class: ErrorClass) -> None:
    report = report_of(Failure("Some", "thing", error_class))

    assert report is (Report.FAILED if error_class in COUNTED else Report.NOTHING)


def test_a_node_has_its_own_breaker_and_those_of_its_dependencies() -> None:
    own = BreakerPolicy(failures=2)

    keys = breaker_keys("demo", node("call", breaker=own, depends_on=("llm", "crm")))

    assert keys == (
        BreakerKey("dependency/crm", None),
        BreakerKey("dependency/llm", None),
        BreakerKey("workflow/demo/call", own),
    )
    assert breaker_keys("demo", node("call")) == ()


class Model:
    """The same in another way: a list of all outcomes, and counters. Times are multiples of a slice."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy, self.state = policy, "closed"
        self.outcomes: list[tuple[datetime, bool]] = []
        self.open_until = NOON
        self.calling: set[UUID] = set()
        self.recovered = 0

    def may_call(self, now: datetime) -> bool:
        if self.state == "half_open":
            allowed = next(2**n for n in range(20) if self.recovered < 2 ** (n + 1) - 1)
            return len(self.calling) < allowed
        return self.state == "closed" or now >= self.open_until

    def call(self, caller: UUID) -> None:
        if self.state == "open":
            self.state, self.recovered, self.calling = "half_open", 0, set()
        self.calling.add(caller)

    def end(self, caller: UUID, report: Report, now: datetime) -> None:
        if self.state == "closed" and report is not Report.NOTHING:
            self._count(report is Report.FAILED, now)
        elif self.state == "half_open" and caller in self.calling:
            self.calling.remove(caller)
            if report is Report.FAILED:
                self._open(now)
            elif report is Report.SUCCEEDED:
                self.recovered += 1
                if self.recovered >= self.policy.minimum:
                    self.state, self.outcomes, self.calling = "closed", [], set()

    def _count(self, failed: bool, now: datetime) -> None:
        self.outcomes = [(at, bad) for at, bad in self.outcomes if at > now - self.policy.window]
        if not failed and not any(bad for _, bad in self.outcomes):
            self.outcomes = []
            return
        self.outcomes.append((now, failed))
        bad = sum(bad for _, bad in self.outcomes)
        enough = bad >= self.policy.failures and len(self.outcomes) >= self.policy.minimum
        if failed and enough and 2 * bad >= len(self.outcomes):
            self._open(now)

    def _open(self, now: datetime) -> None:
        self.state, self.calling = "open", set()
        self.open_until = now + self.policy.cooldown


@pytest.mark.parametrize("seed", range(60))
def test_it_does_what_the_model_does(seed: int) -> None:
    chance = random.Random(seed)
    policy = BreakerPolicy(failures=chance.randint(1, 5), minimum=chance.randint(1, 12))
    clocked, model = Clocked(policy), Model(policy)
    running: list[UUID] = []
    trouble = chance.random()
    for _ in range(400):
        clocked.after(chance.choice([0, 0, 0, 6, 12, 30]))
        if chance.random() < 0.05:
            trouble = chance.random()
        if chance.random() < 0.5 or not running:
            may = model.may_call(clocked.now)
            caller = clocked.call()
            assert (caller is not None) is may, f"seed {seed}"
            if caller is not None:
                model.call(caller)
                running.append(caller)
        else:
            caller = running.pop(chance.randrange(len(running)))
            report = Report.FAILED if chance.random() < trouble else Report.SUCCEEDED
            report = Report.NOTHING if chance.random() < 0.1 else report
            clocked.end(caller, report)
            model.end(caller, report, clocked.now)
        assert clocked.state == model.state, f"seed {seed}"
        assert free_permits(clocked.breaker, now=clocked.now) <= clocked.breaker.step


def test_an_explanation_says_until_when_why_and_who_else_waits() -> None:
    due = NOON + 70 * SECOND
    open_one, half = broken().breaker, half_open()
    half.call()
    half.call()

    sentence, reason = why_held(HeldFacts("dependency/llm", due, open_one, 4), now=NOON)
    recovering, _ = why_held(HeldFacts("dependency/llm", due, half.breaker, 1), now=half.now)
    over, _ = why_held(HeldFacts("dependency/llm", due, Breaker(), 1), now=NOON)

    assert sentence == (
        "breaker 'dependency/llm' is open until 12:01:00 UTC"
        " (5 of 5 calls failed, last: Down: no answer); 3 others wait"
    )
    assert {key: reason[key] for key in ("code", "key", "failures", "waiting")} == {
        "code": "breaker_open",
        "key": "dependency/llm",
        "failures": 5,
        "waiting": 4,
    }
    assert reason["until"] == NOON + 60 * SECOND
    assert recovering.startswith("breaker 'dependency/llm' is half-open and lets 2 calls through at a time")
    assert recovering.endswith("; it is offered again in 10.0 s")
    assert over == "breaker 'dependency/llm' lets calls through again; it is offered again in 70.0 s"
