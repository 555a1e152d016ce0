"""Expansion: money over time, what the budget pays for, and in which order it is done."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from value_lifecycle.expansion import cases_of, roadmap_of, scanned, scenarios_of
from value_lifecycle.finance import RATE_MAX, flows, irr, npv, payback_months
from value_lifecycle.performance import performance_of
from value_lifecycle.records import Candidate, Case, Scenario

from tests.packs import value_program as made

APRIL = date(2026, 4, 1)


def scenario(account: str, *, gain: float, cost: float) -> Scenario:
    base = scenarios_of(candidate(), made.kpi(), rate=0.0, horizon_months=12)[1]
    return replace(base, account=account, npv=gain, cost_once=cost, cost_per_year=0.0)


def candidate(**fields: object) -> Candidate:
    found = made.opportunity(status="ranked", confidence=1.0, **fields)
    return replace(scanned([found], {}, ambition=0.6)[0], confidence=1.0)


def test_present_value_return_and_payback_of_known_flows() -> None:
    year_later = [-100.0, *[0.0] * 11, 110.0]

    assert npv(year_later, rate=0.1) == pytest.approx(0)
    assert irr(year_later) == pytest.approx(0.1)
    assert payback_months([-100.0, 40.0, 40.0, 40.0]) == 2.5
    assert payback_months([-100.0, 40.0]) is None
    assert irr([-100.0, *[0.0] * 11, 50.0]) == pytest.approx(-0.5)
    assert irr([100.0, 10.0]) is None
    assert irr([0.0, 0.0, 0.0]) is None
    assert irr([-1.0, 1_000.0]) == RATE_MAX


def test_value_grows_until_it_takes_full_effect() -> None:
    stream = flows(value=1_200, cost_once=500, cost_per_year=240, months_to_effect=4, horizon_months=6)

    assert stream == [-500, 5, 30, 55, 80, 80, 80]


def test_what_worked_elsewhere_counts_more_than_what_nobody_tried() -> None:
    kpi = made.kpi()
    done = performance_of(made.commitment(), kpi, made.measured(11.5, 11.0, 10.5), as_of=APRIL)
    here = made.opportunity(status="committed")
    elsewhere = made.opportunity(account="elm", status="ranked")
    untried = made.opportunity(account="elm", metric="adoption", status="ranked")
    rejected = made.opportunity(account="oak", status="rejected")

    found = {
        one.key: one
        for one in scanned([here, elsewhere, untried, rejected], {here.place: done}, ambition=0.75)
    }

    assert {key: one.origin for key, one in found.items()} == {
        "northwind:fir:churn": "remainder",
        "northwind:elm:churn": "replicate",
        "northwind:elm:adoption": "untried",
    }
    assert found["northwind:fir:churn"].value == 10_000
    assert found["northwind:elm:churn"].confidence == 0.8
    assert found["northwind:elm:adoption"].confidence == 0.4
    assert "fir" in found["northwind:elm:churn"].evidence


def test_a_commitment_that_lags_gets_no_second_target() -> None:
    done = performance_of(made.commitment(), made.kpi(), made.measured(12.0, 12.1, 12.0), as_of=APRIL)

    assert scanned([made.opportunity(status="committed")], {done.place: done}, ambition=0.5) == []


def test_scenarios_differ_by_their_assumptions_and_name_what_matters_most() -> None:
    low, base, high = scenarios_of(candidate(), made.kpi(), rate=0.08, horizon_months=36)

    assert low.npv < base.npv < high.npv
    expected = flows(
        value=40_000, cost_once=12_000, cost_per_year=6_000, months_to_effect=6, horizon_months=36
    )
    assert base.npv == pytest.approx(npv(expected, rate=0.08), abs=0.01)
    assert base.payback_months == pytest.approx(payback_months(expected), abs=0.05)
    assert base.irr is not None
    assert npv(expected, rate=base.irr) == pytest.approx(0, abs=5)
    swings = [each["high"] - each["low"] for each in base.sensitivity]
    assert base.sensitivity[0]["what"] == "value ±20%"
    assert all(larger >= smaller for larger, smaller in pairwise(swings))


def test_the_budget_goes_to_the_best_set_and_not_to_the_best_one() -> None:
    offered = [
        scenario("a", gain=60.0, cost=60.0),  # the best for its cost is b, the largest gain is c
        scenario("b", gain=55.0, cost=50.0),
        scenario("c", gain=70.0, cost=100.0),
        scenario("d", gain=-5.0, cost=1.0),
    ]

    chosen = {one.account for one in cases_of(offered, budget=110, rate=0.0, horizon_months=12) if one.chosen}
    poor = cases_of(offered, budget=10, rate=0.0, horizon_months=12)

    assert chosen == {"a", "b"}
    assert [one.reason for one in poor if one.account == "d"] == ["loses money in the base scenario"]
    assert not any(one.chosen for one in poor)


def test_the_roadmap_does_so_many_at_once_and_one_at_an_account() -> None:
    def case(account: str, metric: str, index: float) -> Case:
        return Case(
            program="northwind",
            account=account,
            metric=metric,
            npv=1.0,
            cost=1.0,
            index=index,
            chosen=True,
            reason="",
        )

    cases = [
        case("a", "churn", 3.0),
        case("a", "adoption", 2.0),
        case("b", "churn", 1.0),
        case("c", "churn", 0.5),
    ]
    kpis = {"churn": made.kpi(months_to_effect=6), "adoption": made.kpi("adoption", months_to_effect=2)}
    accounts = {name: made.account(name) for name in "abc"}

    steps = roadmap_of(cases, kpis, accounts, start=date(2026, 1, 1), at_once=2)

    by_key = {(step.account, step.metric): (step.start, step.due) for step in steps}
    assert by_key["a", "churn"] == ("2026-01-01", "2026-07-01")
    assert by_key["a", "adoption"] == ("2026-07-01", "2026-09-01")
    starts = [step.start for step in steps]
    assert starts == sorted(starts)
    for day in starts:
        assert sum(step.start <= day < step.due for step in steps) <= 2
