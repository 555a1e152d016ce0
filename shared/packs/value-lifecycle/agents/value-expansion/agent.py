"""The agent value-expansion: where to go next, what that is worth in scenarios, what to choose, and in which order."""

from typing import Any, Literal

from value_lifecycle.book import Book
from value_lifecycle.dates import day_of
from value_lifecycle.expansion import cases_of, roadmap_of, scanned, scenarios_of
from value_lifecycle.narrative import asking, narrative
from value_lifecycle.records import (
    Account,
    Candidate,
    Case,
    Kpi,
    Opportunity,
    Performance,
    Report,
    Scenario,
    Step,
)
from value_lifecycle.reporting import case_facts, case_page, case_template_text, page_digest

from penstock.agents import Invalid, agent, context

SHOWN_MAX = 20
HORIZON_MONTHS_MAX = 120


@agent
def expand(
    stage: Literal["opportunity-scanning", "scenario-modeling", "business-case", "roadmap"],
    program: str,
    as_of: str = "",
    ambition: float = 0.6,
    rate: float = 0.08,
    horizon_months: int = 36,
    budget: float = 500_000,
    at_once: int = 3,
    words: Literal["auto", "template", "model"] = "auto",
) -> dict[str, Any]:
    """One stage of expansion-modeling-v1 on the records of a program."""
    match stage:
        case "opportunity-scanning":
            return scan(program, as_of, ambition=ambition)
        case "scenario-modeling":
            return model(program, rate=rate, horizon_months=horizon_months)
        case "business-case":
            return decide(program, as_of, budget=budget, rate=rate, horizon_months=horizon_months, mode=words)
        case "roadmap":
            return order(program, as_of, at_once=at_once)


def scan(program: str, as_of: str, *, ambition: float) -> dict[str, Any]:
    book = Book(program)
    found = book.some(Opportunity, needed_for="a scan", made_by="opportunity-discovery-v1")
    performance = {one.place: one for one in book.all(Performance)}
    candidates = scanned(found, performance, ambition=ambition)
    book.write(book.exactly(Candidate, candidates))
    days = [one.as_of for one in performance.values()] or [one.latest for one in found]
    origins = sorted({one.origin for one in candidates})
    return {
        "as_of": day_of(as_of, "as_of").isoformat() if as_of else max(days),
        "candidates": len(candidates),
        "value": round(sum(one.value for one in candidates), 2),
        "origins": {name: sum(one.origin == name for one in candidates) for name in origins},
    }


def model(program: str, *, rate: float, horizon_months: int) -> dict[str, Any]:
    if not 0 <= rate <= 1:
        raise Invalid(f"rate: {rate:g} is outside 0 to 1; 8 % a year is 0.08")
    if not 1 <= horizon_months <= HORIZON_MONTHS_MAX:
        raise Invalid(f"horizon_months: {horizon_months} is outside 1 to {HORIZON_MONTHS_MAX}")
    book = Book(program)
    kpis = {one.metric: one for one in book.all(Kpi)}
    scenarios = [
        each
        for one in book.all(Candidate)
        for each in scenarios_of(one, kpis[one.metric], rate=rate, horizon_months=horizon_months)
    ]
    book.write(book.exactly(Scenario, scenarios))
    names = ("conservative", "base", "ambitious")
    return {
        "scenarios": len(scenarios),
        "npv": {name: round(sum(one.npv for one in scenarios if one.name == name), 2) for name in names},
    }


def decide(
    program: str, as_of: str, *, budget: float, rate: float, horizon_months: int, mode: str
) -> dict[str, Any]:
    book = Book(program)
    scenarios = book.all(Scenario)
    cases = cases_of(scenarios, budget=budget, rate=rate, horizon_months=horizon_months)
    facts = case_facts(program, cases, budget=budget, as_of=as_of)
    text = narrative(facts, case_template_text(facts), ask=asking(mode), must=mode == "model")
    page = case_page(
        facts,
        text,
        cases=cases,
        scenarios=scenarios,
        accounts={one.account: one for one in book.all(Account)},
        kpis={one.metric: one for one in book.all(Kpi)},
        rate=rate,
        horizon_months=horizon_months,
    )
    file = context.out_folder / "business-case.html"
    file.write_text(page, "utf-8")
    made = Report(program=program, kind="case", as_of=as_of, digest=page_digest(page), narrative=text.by)
    book.write(book.exactly(Case, cases), book.put([made]))
    chosen = [one for one in cases if one.chosen]
    return {
        "report": file,
        "cases": len(cases),
        "chosen": len(chosen),
        "cost": round(sum(one.cost for one in chosen), 2),
        "npv": round(sum(one.npv for one in chosen), 2),
        "narrative": text.by,
    }


def order(program: str, as_of: str, *, at_once: int) -> dict[str, Any]:
    if at_once < 1:
        raise Invalid(f"at_once: {at_once} is below 1")
    book = Book(program)
    steps = roadmap_of(
        book.all(Case),
        {one.metric: one for one in book.all(Kpi)},
        {one.account: one for one in book.all(Account)},
        start=day_of(as_of, "as_of"),
        at_once=at_once,
    )
    book.write(book.exactly(Step, steps))
    return {
        "steps": [
            {
                "wave": one.wave,
                "account": one.account,
                "metric": one.metric,
                "start": one.start,
                "due": one.due,
            }
            for one in steps[:SHOWN_MAX]
        ],
        "waves": max((one.wave for one in steps), default=0),
        "ends": max((one.due for one in steps), default=None),
    }


if __name__ == "__main__":
    expand.main()
