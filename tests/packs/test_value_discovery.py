"""Discovery, targets and commitments compute what the data says, and say why not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from value_lifecycle.commitments import plan_of, terms_digest
from value_lifecycle.discovery import Limits, Weights, prioritized, research, validated
from value_lifecycle.reading import Data, Problems, read_data, read_readings
from value_lifecycle.targets import judged, needs_person, target_of
from value_lifecycle.trends import chance, line, months_later, percentile, quantile

from penstock.agents import Invalid
from tests.packs import value_program as made
from tests.packs.value_program import NORTHWIND, START

JUNE = date(2026, 6, 30)


def peers(*currents: float, months: int = 12) -> Data:
    """Accounts a, b, c … that stand still at these values."""
    names = [chr(ord("a") + number) for number in range(len(currents))]
    readings = [
        made.reading(months_later(START, month), current, account=name)
        for name, current in zip(names, currents, strict=True)
        for month in range(months)
    ]
    return Data({name: made.account(name) for name in names}, {"churn": made.kpi()}, readings)


def test_a_gap_is_the_way_to_the_best_quarter_of_the_peers_and_is_worth_its_share_of_the_revenue() -> None:
    found = {one.account: one for one in research(peers(4, 8, 8, 12, 16), as_of=date(2027, 1, 1))}

    assert sorted(found) == ["d", "e"]  # b and c are at the benchmark, a is ahead of it
    assert (found["e"].benchmark, found["e"].gap, found["e"].value) == (8.0, 8.0, 80_000.0)
    assert found["e"].percentile == 10.0
    assert found["e"].confidence == 0.625  # five of eight peers; long enough, and no noise


def test_more_is_better_where_the_metric_says_so() -> None:
    data = peers(4, 8, 8, 12, 16)
    data = replace(data, kpis={"churn": made.kpi(better="higher")})

    assert {one.account for one in research(data, as_of=date(2027, 1, 1))} == {"a", "b", "c"}


def test_what_comes_after_the_day_is_not_known_yet() -> None:
    found = research(peers(4, 8, 8, 12, 16), as_of=date(2026, 3, 1))

    assert {one.months for one in found} == {3}


def test_an_opportunity_is_rejected_with_all_reasons_at_once() -> None:
    weak = made.opportunity(value=500.0, months=2, latest="2025-06-01", confidence=0.1, noise=3.0)

    one = validated(weak, made.account(owner="", revenue=1_000.0), limits=Limits(), as_of=START)

    assert one.status == "rejected"
    assert [reason.split()[0] for reason in one.reasons] == [
        "worth", "observed", "last", "confidence", "a", "worth", "the",
    ]  # fmt: skip
    assert validated(made.opportunity(), made.account(), limits=Limits(), as_of=START).status == "valid"


def test_the_order_follows_the_weights() -> None:
    dear = made.opportunity(account="dear", value=90_000.0, confidence=0.4)
    sure = made.opportunity(account="sure", value=20_000.0, confidence=0.9)
    kpis = {"churn": made.kpi()}

    by_value = prioritized(
        [sure, dear], kpis, weights=Weights(value=1, confidence=0, ease=0, urgency=0), limit=1
    )
    by_confidence = prioritized([dear, sure], kpis, weights=Weights(value=0, ease=0, urgency=0), limit=1)

    assert [(one.account, one.rank, one.status) for one in by_value] == [
        ("dear", 1, "selected"),
        ("sure", 2, "ranked"),
    ]
    assert [one.account for one in by_confidence] == ["sure", "dear"]


def test_the_sample_is_read_and_scored() -> None:
    data = read_data(NORTHWIND, program="northwind")

    found = research(data, as_of=JUNE)
    judged_ones = [validated(one, data.accounts[one.account], limits=Limits(), as_of=JUNE) for one in found]
    ordered = prioritized(
        [one for one in judged_ones if one.status == "valid"], data.kpis, weights=Weights(), limit=5
    )

    assert (len(found), len(ordered)) == (35, 19)
    assert [one.place for one in ordered[:2]] == [
        ("fir-energy", "adoption-rate"),
        ("fir-energy", "churn-rate"),
    ]
    fir = next(one for one in found if one.place == ("fir-energy", "churn-rate"))
    assert (fir.current, fir.benchmark) == (12.4, 6.0667)
    assert fir.value == pytest.approx(6.3333 * 0.004 * 18_500_000, rel=1e-4)


def test_wrong_files_are_refused_with_every_mistake_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text(
        "account,title,segment,revenue,owner\nFir,Fir,big,1,x\nelm,Elm,big,much,x\n"
    )
    (tmp_path / "history.csv").write_text(
        "account,metric,date,value\noak,churn,2026-02-30,1\noak,churn,2026-02-01,1\n"
    )
    (tmp_path / "metrics.json").write_text('{"metrics": [{"name": "churn", "better": "less"}]}')

    with pytest.raises(Invalid) as refused:
        read_data(tmp_path, program="North")

    told = str(refused.value)
    for part in ("program: 'North'", "accounts.csv:2: account 'Fir'", "accounts.csv:3, revenue: 'much' is no number",
                 "metrics[0].better: wrong value 'less': expected 'lower' or 'higher'", "metrics[0].unit: missing",
                 "history.csv:2: date: '2026-02-30' is no date", "history.csv:3: no account 'oak'"):  # fmt: skip
        assert part in told


def test_a_target_closes_the_share_of_the_gap_and_knows_whether_it_can() -> None:
    kpi = made.kpi()

    def feasibility(**fields: object) -> str:
        one = made.opportunity(**fields)
        return target_of(one, kpi, ambition=0.6, start=START, horizon_months=6).feasibility

    one = target_of(made.opportunity(), kpi, ambition=0.6, start=START, horizon_months=6)

    assert (one.baseline, one.target, one.due, one.value) == (12.0, 9.6, "2026-07-01", 24_000.0)
    assert feasibility(trend=-0.5) == "on-trend"  # 2.4 in six months are needed
    assert [feasibility(best_change=shown) for shown in (0.4, 0.2, 0.1, 0.0)] == [
        "reachable", "stretch", "out-of-reach", "stretch",
    ]  # fmt: skip


def test_a_target_is_approved_or_rejected_with_reasons() -> None:
    def reasons(place_is_open: bool = False, **fields: object) -> tuple[str, ...]:
        one = made.target(status="proposed", **fields)
        places = {one.place} if place_is_open else set()
        return judged(one, made.kpi(), made.account(), open_places=places, as_of=START).reasons

    assert reasons() == ()
    assert "outside 0 to 100" in reasons(target=-1.0)[0]
    assert "no improvement" in reasons(target=13.0)[0]
    assert "more than 24 months" in reasons(due="2029-01-01")[0]
    assert "not after" in reasons(due="2025-01-01")[0]
    assert "3 times" in reasons(feasibility="out-of-reach")[0]
    assert "open commitment" in reasons(place_is_open=True)[0]


def test_a_person_is_asked_from_the_limit_on_unless_somebody_has_approved() -> None:
    both = [made.target(), made.target(account="elm")]  # 60,000 together

    assert needs_person(both, auto_approve_below=60_000, approved_by="")
    assert not needs_person(both, auto_approve_below=60_001, approved_by="")
    assert not needs_person(both, auto_approve_below=0, approved_by="ada")


def test_a_commitment_is_measured_each_month_and_its_digest_holds_its_terms() -> None:
    promised = made.commitment()

    assert plan_of(promised, made.opportunity()).dates == (
        "2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01", "2026-07-01",
    )  # fmt: skip
    assert promised.digest == terms_digest(promised)
    assert terms_digest(replace(promised, target=9.5)) != promised.digest


def test_arithmetic_of_series() -> None:
    assert quantile([1, 2, 3, 4], 0.75) == 3.25
    assert percentile(2, [1, 2, 3, 4], sign=1) == 37.5
    assert months_later(date(2026, 8, 31), 6) == date(2027, 2, 28)
    fitted = line([(0, 1.0), (1, 3.0), (2, 2.0), (3, 4.0)])
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.8, 1.3))
    assert fitted.deviation == pytest.approx(0.9487, abs=1e-4)
    assert chance(fitted, month=3, target=fitted.at(3), sign=1) == 0.5
    assert chance(fitted, month=9, target=4.0, sign=1) > 0.9
    assert chance(fitted, month=9, target=4.0, sign=-1) < 0.1


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (
            "accounts.csv",
            lambda text: text + "x" * 200_000,
            r"accounts\.csv:13: can't be read as CSV: field larger",
        ),
        (
            "metrics.json",
            lambda text: text.replace("churn-rate", "adoption-rate"),
            "'adoption-rate' is there twice",
        ),
        (
            "metrics.json",
            lambda text: text.replace('"minimum": 0', '"minimum": 9e9'),
            r"9e\+09 is not below maximum",
        ),
        (
            "history.csv",
            lambda text: text.replace("2026-", "9999-"),
            "date: 9999-.* outside the years 1900 to 2199",
        ),
        ("metrics.json", lambda text: "[" * 100_000, "can't be read as JSON"),
    ],
)
def test_files_that_no_program_should_have_written_are_refused_with_their_place(
    name: str, change: Callable[[str], str], told: str, tmp_path: Path
) -> None:
    shutil.copytree(NORTHWIND, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_text(change((tmp_path / name).read_text()))

    with pytest.raises(Invalid, match=told):
        read_data(tmp_path, program="northwind")


def test_a_quoted_title_may_have_a_comma_and_a_line_break(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('title,account,metric,date,value\n"Fir,\nInc.",fir,churn,2026-01-01,1\n')

    assert [(one.account, one.source) for one in read_readings(tmp_path / "m.csv", problems=Problems())] == [
        ("fir", "m.csv:3")
    ]
