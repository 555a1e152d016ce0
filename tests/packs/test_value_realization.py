"""Measurements, attainment, interventions, and the report with or without a model."""

from datetime import date

import pytest
from value_lifecycle.narrative import narrative
from value_lifecycle.performance import intervention_for, performance_of, taken_in
from value_lifecycle.records import Performance
from value_lifecycle.reporting import value_facts, value_page, value_template_text

from penstock.agents import RateLimited
from tests.packs import value_program as made
from tests.packs.value_program import DUE, START

APRIL = date(2026, 4, 1)


def performance(*values: float, as_of: date = APRIL) -> Performance:
    """Of the commitment to come from 12 to 9 between January and July."""
    return performance_of(made.commitment(), made.kpi(), made.measured(*values), as_of=as_of)


def test_only_what_belongs_to_a_commitment_and_can_be_true_is_taken_in() -> None:
    promised, kpis = made.commitment(), {"churn": made.kpi()}
    readings = [
        made.reading(date(2026, 2, 1), 11.5),
        made.reading(date(2026, 2, 1), 11.0),
        made.reading(date(2026, 2, 1), 11.0, account="oak"),
        made.reading(date(2026, 3, 1), 101.0),
        made.reading(date(2026, 5, 1), 10.0),
        made.reading(START, 10.0),
    ]

    taken = taken_in(readings, {promised.place: promised}, kpis, as_of=APRIL)

    assert [(one.date, one.value) for one in taken.accepted] == [("2026-02-01", 11.5)]
    reasons = ("was measured before", "nothing is committed", "outside 0 to 100", "is after", "is not after")
    assert all(reason in line for reason, line in zip(reasons, taken.rejected, strict=True))


@pytest.mark.parametrize(
    ("values", "as_of", "status"),
    [
        ((), date(2026, 1, 20), "not-due"),
        ((), APRIL, "not-measured"),
        ((11.5, 11.0, 10.5), APRIL, "on-track"),
        ((11.9, 12.1, 12.0), APRIL, "at-risk"),
        ((11.0, 10.0, 8.9), APRIL, "achieved"),
        ((11.0, 10.0, 9.5), DUE, "missed"),
        (
            (11.4,),
            date(2026, 2, 1),
            "on-track",
        ),  # one point has no trend: it is compared with the straight way
        ((11.9,), date(2026, 2, 1), "at-risk"),
    ],
)
def test_the_status_of_a_commitment(values: tuple[float, ...], as_of: date, status: str) -> None:
    assert performance(*values, as_of=as_of).status == status


def test_attainment_forecast_and_value_so_far() -> None:
    one = performance(11.5, 11.0, 10.5)

    assert one.attainment == 0.5
    assert one.expected == pytest.approx(90 / 181, abs=1e-4)
    assert one.forecast == pytest.approx(9.0, abs=0.05)
    # A sixth of the way is held for a month of 28 days, a third for 31; what is measured today has earned nothing yet.
    assert one.realized == pytest.approx(30_000 / 365.2425 * (28 / 6 + 31 / 3), abs=0.1)


def test_a_worse_value_earns_nothing() -> None:
    assert performance(13.0, 14.0, 15.0).realized == 0


@pytest.mark.parametrize(
    ("values", "cause", "lever"),
    [
        ((), "nobody has measured it", "measure it"),
        ((12.5, 13.0, 13.5), "it becomes worse", "second lever"),
        ((12.0, 11.95, 11.98), "it stands still", "first lever"),
        ((11.8, 11.6, 11.4), "it improves, but too slowly", "second lever"),
    ],
)
def test_an_intervention_fits_its_cause(values: tuple[float, ...], cause: str, lever: str) -> None:
    one = intervention_for(performance(*values), made.commitment(), made.kpi(), made.plan())

    assert one.cause.startswith(cause)
    assert one.action.startswith(lever)
    assert (one.owner, one.due) == ("ruth", "2026-05-01")


def test_an_intervention_says_how_fast_it_must_become() -> None:
    one = intervention_for(performance(11.8, 11.6, 11.4), made.commitment(), made.kpi(), made.plan())

    assert one.needed_per_month == pytest.approx(2.4 / 91 * 365.2425 / 12, abs=1e-4)
    assert one.value_at_risk == pytest.approx(30_000 * 0.8)


def page(one: Performance, template: str, *, title: str = "Fir") -> str:
    accounts, kpis = {"fir": made.account(title=title)}, {"churn": made.kpi()}
    facts = value_facts("northwind", [one], as_of="2026-04-01", accounts=accounts, kpis=kpis)
    return value_page(
        facts,
        narrative(facts, value_template_text(facts), ask=None),
        performance=[one],
        commitments={one.key: made.commitment()},
        measurements=made.measured(11.9, 12.1, 12.0),
        accounts=accounts,
        kpis=kpis,
        template=template,
    )


def test_the_report_tells_the_figures_and_who_wrote_its_words() -> None:
    for template in ("value.html.j2", "value.md.j2"):
        shown = page(performance(11.9, 12.1, 12.0), template)

        assert "30,000" in shown
        assert "at-risk" in shown
        assert "1 of 1 is behind" in shown
        assert "without a model" in shown


def test_names_from_outside_are_text_in_the_report() -> None:
    assert "<script>" not in page(performance(11.0), "value.html.j2", title="<script>alert(1)</script>")


def test_names_from_outside_are_text_in_one_cell_of_the_markdown() -> None:
    shown = page(performance(11.0), "value.md.j2", title="Fir,\nInc. | <b>[x](javascript:1)\\")

    assert "| Fir, Inc. \\| \\<b\\>\\[x\\](javascript:1)\\\\ | Churn |" in shown
    assert "<b>" not in shown


def test_a_model_may_retell_facts_but_not_invent_numbers() -> None:
    facts = {"committed a year": "30,000", "commitments": 1}
    asked: list[str] = []

    def invents(prompt: str) -> str:
        asked.append(prompt)
        return "We will make 90,000 with 1 commitment."

    def learns(prompt: str) -> str:
        return "Worth 30,000." if "90000" in prompt else "Worth 90,000."

    told = narrative(facts, "the template", ask=invents)

    assert (told.text, told.by) == ("the template", "template")
    assert "90000" in told.note
    assert len(asked) == 2
    assert (narrative(facts, "t", ask=learns).text, narrative(facts, "t", ask=learns).by) == (
        "Worth 30,000.",
        "default",
    )


def test_a_model_that_does_not_answer_is_no_reason_to_have_no_report() -> None:
    def busy(_: str) -> str:
        raise RateLimited("try again in an hour")

    told = narrative({"commitments": 1}, "the template", ask=busy)

    assert (told.text, told.by) == ("the template", "template")
    assert "try again in an hour" in told.note
    with pytest.raises(RateLimited):
        narrative({"commitments": 1}, "the template", ask=busy, must=True)
