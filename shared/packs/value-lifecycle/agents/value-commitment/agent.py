"""The agent value-commitment: targets for what was selected, their validation, commitments, and how to measure them."""

from dataclasses import replace
from datetime import date
from typing import Any, Literal

from value_lifecycle.book import Book
from value_lifecycle.commitments import commitment_of, plan_of
from value_lifecycle.dates import day_of
from value_lifecycle.records import Account, Commitment, Kpi, Opportunity, Performance, Plan, Target
from value_lifecycle.targets import HORIZON_MONTHS_MAX, judged, needs_person, target_of

from penstock.agents import Invalid, agent

DISCOVERY = "opportunity-discovery-v1"
CLOSED = ("achieved", "missed")


@agent
def commit(
    stage: Literal[
        "kpi-target-definition", "validation-and-approval", "value-commitment", "measurement-setup"
    ],
    program: str,
    as_of: str = "",
    ambition: float = 0.6,
    horizon_months: int = 6,
    auto_approve_below: float = 0.0,
    approved_by: str = "",
    approved_as: Literal["person", "below-limit", "caller"] = "below-limit",
) -> dict[str, Any]:
    """One stage of target-value-commit-v1 on the records of a program."""
    match stage:
        case "kpi-target-definition":
            return define(program, as_of, ambition=ambition, horizon_months=horizon_months)
        case "validation-and-approval":
            day = day_of(as_of, "as_of")
            return validate(program, day, auto_approve_below=auto_approve_below, approved_by=approved_by)
        case "value-commitment":
            return record_commitments(program, approved_by=approved_by, approved_as=approved_as)
        case "measurement-setup":
            return plan_measurements(program)


def define(program: str, as_of: str, *, ambition: float, horizon_months: int) -> dict[str, Any]:
    """Targets for all selected opportunities. Those of former runs that were not committed are replaced."""
    if not 0 < ambition <= 1:
        raise Invalid(f"ambition: {ambition:g} is no share of the gap; expected more than 0, at most 1")
    if not 1 <= horizon_months <= HORIZON_MONTHS_MAX:
        raise Invalid(f"horizon_months: {horizon_months} is outside 1 to {HORIZON_MONTHS_MAX}")
    book = Book(program)
    selected = book.some(Opportunity, needed_for="targets", made_by=DISCOVERY, status="selected")
    kpis = {one.metric: one for one in book.all(Kpi)}
    start = day_of(as_of, "as_of") if as_of else max(date.fromisoformat(one.latest) for one in selected)
    targets = [
        target_of(one, kpis[one.metric], ambition=ambition, start=start, horizon_months=horizon_months)
        for one in selected
    ]
    committed = [one for one in book.all(Target, status="committed") if one.place not in _places(targets)]
    book.write(book.exactly(Target, [*committed, *targets]))
    by_feasibility = {name: sum(one.feasibility == name for one in targets) for name in _names(targets)}
    return {
        "as_of": start.isoformat(),
        "targets": len(targets),
        "value": _value(targets),
        "feasibility": by_feasibility,
    }


def validate(program: str, as_of: date, *, auto_approve_below: float, approved_by: str) -> dict[str, Any]:
    """Fails if no target holds. Says whether a person has to agree to those that do."""
    book = Book(program)
    proposed = book.some(Target, needed_for="validation", made_by="kpi-target-definition", status="proposed")
    kpis, accounts = (
        {one.metric: one for one in book.all(Kpi)},
        {one.account: one for one in book.all(Account)},
    )
    closed = {one.place for one in book.all(Performance) if one.status in CLOSED}
    open_places = {one.place for one in book.all(Commitment)} - closed
    targets = [
        judged(one, kpis[one.metric], accounts[one.account], open_places=open_places, as_of=as_of)
        for one in proposed
    ]
    approved = [one for one in targets if one.status == "approved"]
    rejected = [
        {"target": one.key, "reasons": list(one.reasons)} for one in targets if one.status == "rejected"
    ]
    if not approved:
        told = "; ".join(f"{one['target']}: {', '.join(one['reasons'])}" for one in rejected[:5])
        raise Invalid(f"none of {len(rejected)} targets can be committed: {told}")
    book.write(book.put(targets))
    return {
        "approved": len(approved),
        "rejected": rejected[:20],
        "value": _value(approved),
        "needs_person": needs_person(
            approved, auto_approve_below=auto_approve_below, approved_by=approved_by
        ),
    }


def record_commitments(program: str, *, approved_by: str, approved_as: str) -> dict[str, Any]:
    book = Book(program)
    approved = book.some(
        Target, needed_for="commitments", made_by="validation-and-approval", status="approved"
    )
    accounts = {one.account: one for one in book.all(Account)}
    commitments = [
        commitment_of(one, accounts[one.account], approved_by=approved_by, approved_as=approved_as)
        for one in approved
    ]
    places = _places(approved)
    found = [replace(one, status="committed") for one in book.all(Opportunity) if one.place in places]
    kept = [replace(one, status="committed") for one in approved]
    book.write(book.put([*commitments, *kept, *found]))
    return {
        "commitments": len(commitments),
        "value": round(sum(one.value for one in commitments), 2),
        "approved_by": approved_by,
        "approved_as": approved_as,
    }


def plan_measurements(program: str) -> dict[str, Any]:
    book = Book(program)
    commitments = book.some(Commitment, needed_for="measurements", made_by="value-commitment")
    found = {one.key: one for one in book.all(Opportunity)}
    plans = [plan_of(one, found[one.key]) for one in commitments]
    book.write(book.exactly(Plan, plans))
    dates = sorted({day for plan in plans for day in plan.dates})
    return {
        "plans": len(plans),
        "measurements": sum(len(plan.dates) for plan in plans),
        "first": dates[0],
        "last": dates[-1],
    }


def _places(records: list[Target]) -> set[tuple[str, str]]:
    return {one.place for one in records}


def _names(targets: list[Target]) -> list[str]:
    return sorted({one.feasibility for one in targets})


def _value(targets: list[Target]) -> float:
    return round(sum(one.value for one in targets), 2)


if __name__ == "__main__":
    commit.main()
