"""Where the pack value-lifecycle is, and small records of a program for its tests."""

from dataclasses import replace
from datetime import date

from value_lifecycle import records
from value_lifecycle.commitments import commitment_of, plan_of
from value_lifecycle.reading import Reading

from tests.stack import ROOT

PACK = ROOT / "shared/packs/value-lifecycle"
NORTHWIND = PACK / "samples/northwind"
MEASUREMENTS = PACK / "samples/measurements.csv"

PROGRAM = "northwind"
START, DUE = date(2026, 1, 1), date(2026, 7, 1)


def account(name: str = "fir", **fields: object) -> records.Account:
    made = records.Account(
        program=PROGRAM, account=name, title=name.title(), segment="big", revenue=1_000_000.0, owner="ruth"
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def kpi(name: str = "churn", **fields: object) -> records.Kpi:
    """One unit less is worth 1 % of the revenue: 10,000 a year of `account`."""
    made = records.Kpi(
        program=PROGRAM,
        metric=name,
        title="Churn",
        unit="%",
        better="lower",
        minimum=0.0,
        maximum=100.0,
        revenue_share_per_unit=0.01,
        cost_once=12_000.0,
        cost_per_year=6_000.0,
        months_to_effect=6,
        levers=("first lever", "second lever"),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def opportunity(**fields: object) -> records.Opportunity:
    made = records.Opportunity(
        program=PROGRAM,
        account="fir",
        metric="churn",
        current=12.0,
        benchmark=8.0,
        percentile=20.0,
        gap=4.0,
        value=40_000.0,
        confidence=0.8,
        months=12,
        noise=0.1,
        trend=0.0,
        best_change=0.4,
        latest="2026-01-01",
        peers=8,
        status="selected",
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def target(**fields: object) -> records.Target:
    """From 12 to 9 in half a year."""
    made = records.Target(
        program=PROGRAM,
        account="fir",
        metric="churn",
        baseline=12.0,
        target=9.0,
        start=START.isoformat(),
        due=DUE.isoformat(),
        value=30_000.0,
        forecast=12.0,
        probability=0.1,
        feasibility="reachable",
        status="approved",
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def commitment(**fields: object) -> records.Commitment:
    return commitment_of(target(**fields), account(), approved_by="ada", approved_as="person")


def plan() -> records.Plan:
    return plan_of(commitment(), opportunity())


def measured(*values: float, first_month: int = 2) -> list[records.Measurement]:
    """On the first of each month from February on."""
    return [
        records.Measurement(
            program=PROGRAM,
            account="fir",
            metric="churn",
            date=date(2026, first_month + number, 1).isoformat(),
            value=value,
            source=f"m.csv:{number + 2}",
        )
        for number, value in enumerate(values)
    ]


def reading(day: date, value: float, *, account: str = "fir", metric: str = "churn") -> Reading:
    return Reading(account, metric, day, value, "m.csv:2")
