"""What a budget has room for, as the core sees it, and what a run's timeline tells of it."""

from datetime import date

import pytest

from orchestrator.domain.budget import (
    Account,
    AccountName,
    Limit,
    Scope,
    Wish,
    first_over,
    in_dollars,
)
from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import BudgetExceeded, BudgetRaised
from penstock.contracts.budget import Allowance, OnSpent
from tests.builders import RUN_ID, Story, node, plan

RUN = AccountName(Scope.RUN, run=RUN_ID)
DAY = AccountName(Scope.PROJECT_DAY, day=date(2026, 11, 21))


def limit(of: AccountName = RUN, on_limit: OnSpent = OnSpent.ASK, **allowed: float) -> Limit:
    return Limit(of, Allowance(**allowed), on_limit)  # type: ignore[arg-type]


def test_a_call_that_just_fits_has_room() -> None:
    account = Account(dollars_spent=0.1, dollars_reserved=0.2, dollars_raised=0.5)

    assert first_over([limit(dollars=0.5)], {RUN.key: account}, Wish(10, 0.7)) is None
    assert first_over([limit(dollars=0.5)], {RUN.key: account}, Wish(10, 0.7001)) is not None


def test_only_what_reservations_take_may_pass() -> None:
    running, spent = Account(tokens_reserved=90), Account(tokens_spent=90)

    waits = first_over([limit(tokens=100)], {RUN.key: running}, Wish(20, None))
    stays = first_over([limit(tokens=100)], {RUN.key: spent}, Wish(20, None))

    assert waits is not None
    assert stays is not None
    assert (waits.may_pass, stays.may_pass) == (True, False)


def test_what_is_spent_for_good_comes_before_what_may_pass_and_the_strict_before_the_lenient() -> None:
    accounts = {RUN.key: Account(tokens_reserved=90), DAY.key: Account(tokens_spent=90)}
    run = limit(tokens=100, on_limit=OnSpent.FAIL)

    for_good = first_over([run, limit(DAY, tokens=100)], accounts, Wish(20, None))
    strict = first_over(
        [limit(DAY, tokens=100), limit(DAY, OnSpent.PAUSE, tokens=100)], accounts, Wish(20, None)
    )

    assert for_good is not None
    assert strict is not None
    assert (for_good.limit.account, strict.on_limit) == (DAY, OnSpent.PAUSE)


@pytest.mark.parametrize(
    ("amount", "text"), [(0.0, "0.00"), (2.5, "2.50"), (0.00012, "0.00012"), (1234.0, "1234.00")]
)
def test_amounts_have_cents_and_no_more_digits_than_needed(amount: float, text: str) -> None:
    assert in_dollars(amount) == text


def test_the_timeline_tells_what_a_budget_had_no_room_for_and_who_raised_it() -> None:
    story = Story(plan(node("work")))

    story.tell(BudgetExceeded("work", 1, RUN.key, "it is spent", "fail"))
    raised = story.tell(BudgetRaised(RUN.key, "ada", "worth it", dollars=2.5))

    assert story.kinds()[-2:] == ["run.budget_exceeded", "run.budget_raised"]
    assert raised.facts[0].data == {"budget": RUN.key, "by": "ada", "reason": "worth it", "dollars": 2.5}


def test_an_ended_run_can_be_raised_before_it_is_retried_and_exceeds_nothing() -> None:
    story = Story(plan(node("work")))
    story.claim("work")
    story.succeed("work")

    assert story.tell(BudgetRaised(RUN.key, "ada", tokens=5)).outcome is Outcome.APPLIED
    assert story.tell(BudgetExceeded("work", 1, RUN.key, "late", "fail")).outcome is Outcome.LATE
    assert story.run.state == "succeeded"
