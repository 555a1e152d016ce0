"""The agent value-realization: measurements taken in, what they say of each commitment, a report, and interventions."""

from datetime import date
from pathlib import Path
from typing import Any, Literal

from value_lifecycle.book import Book
from value_lifecycle.dates import day_of
from value_lifecycle.narrative import asking, narrative
from value_lifecycle.performance import BEHIND, intervention_for, performance_of, taken_in
from value_lifecycle.reading import Problems, read_readings
from value_lifecycle.records import (
    Account,
    Commitment,
    Intervention,
    Kpi,
    Measurement,
    Performance,
    Plan,
    Report,
)
from value_lifecycle.reporting import page_digest, value_facts, value_page, value_template_text

from penstock.agents import Invalid, agent, context

COMMIT = "target-value-commit-v1"
SHOWN_MAX = 20


@agent
def realize(
    stage: Literal[
        "data-collection", "performance-analysis", "stakeholder-reporting", "intervention-planning"
    ],
    program: str,
    measurements: Path | None = None,
    as_of: str = "",
    words: Literal["auto", "template", "model"] = "auto",
) -> dict[str, Any]:
    """One stage of realization-tracking-v1 on the records of a program."""
    match stage:
        case "data-collection":
            return collect(program, measurements, as_of)
        case "performance-analysis":
            return analyse(program, day_of(as_of, "as_of"))
        case "stakeholder-reporting":
            return report(program, as_of, mode=words)
        case "intervention-planning":
            return plan_interventions(program)


def collect(program: str, file: Path | None, as_of: str) -> dict[str, Any]:
    """Takes in what belongs to a commitment; the rest is listed with its line and reason, and nobody else's fault."""
    book = Book(program)
    commitments = {one.place: one for one in book.some(Commitment, needed_for="measurements", made_by=COMMIT)}
    problems = Problems()
    readings = list(read_readings(file, problems=problems)) if file else []
    problems.stop_if_any()
    day = _day(as_of, [reading.date for reading in readings], [one.start for one in commitments.values()])
    taken = taken_in(readings, commitments, {one.metric: one for one in book.all(Kpi)}, as_of=day)
    if readings and not taken.accepted:
        raise Invalid(
            f"none of {len(readings)} measurements belongs to a commitment: {'; '.join(taken.rejected[:5])}"
        )
    known = {one.key: one for one in book.all(Measurement)}
    changed = [one for one in taken.accepted if one.key not in known or known[one.key].value != one.value]
    book.write(book.put(changed))
    for line in taken.rejected[:SHOWN_MAX]:
        context.log("not taken in", reason=line)
    return {
        "as_of": day.isoformat(),
        "read": len(readings),
        "accepted": len(taken.accepted),
        "new": sum(one.key not in known for one in changed),
        "corrected": sum(one.key in known for one in changed),
        "rejected": taken.rejected[:SHOWN_MAX],
        "rejected_total": len(taken.rejected),
    }


def analyse(program: str, as_of: date) -> dict[str, Any]:
    book = Book(program)
    kpis, measured = {one.metric: one for one in book.all(Kpi)}, book.all(Measurement)
    found = [
        performance_of(
            one, kpis[one.metric], [each for each in measured if each.place == one.place], as_of=as_of
        )
        for one in book.some(Commitment, needed_for="performance", made_by=COMMIT)
    ]
    book.write(book.exactly(Performance, found))
    return {
        "commitments": len(found),
        "value": round(sum(one.value for one in found), 2),
        "realized": round(sum(one.realized for one in found), 2),
        "behind": sum(one.status in BEHIND for one in found),
        "statuses": {f"{one.account}:{one.metric}": one.status for one in found[:SHOWN_MAX]},
    }


def report(program: str, as_of: str, *, mode: str) -> dict[str, Any]:
    book = Book(program)
    performance = book.some(Performance, needed_for="a report", made_by="realization-tracking-v1")
    accounts, kpis = (
        {one.account: one for one in book.all(Account)},
        {one.metric: one for one in book.all(Kpi)},
    )
    facts = value_facts(program, performance, as_of=as_of, accounts=accounts, kpis=kpis)
    text = narrative(facts, value_template_text(facts), ask=asking(mode), must=mode == "model")
    parts: dict[str, Any] = {
        "performance": performance,
        "commitments": {one.key: one for one in book.all(Commitment)},
        "measurements": book.all(Measurement),
        "accounts": accounts,
        "kpis": kpis,
    }
    files = {name: value_page(facts, text, template=f"value.{name}.j2", **parts) for name in ("html", "md")}
    for name, page in files.items():
        (context.out_folder / f"value.{name}").write_text(page, "utf-8")
    digest = page_digest(files["html"])
    made = Report(program=program, kind="value", as_of=as_of, digest=digest, narrative=text.by)
    book.write(book.put([made]))
    return {
        "report": context.out_folder / "value.html",
        "markdown": context.out_folder / "value.md",
        "digest": digest,
        "narrative": text.by,
        "note": text.note,
    }


def plan_interventions(program: str) -> dict[str, Any]:
    """For what is behind. Those of commitments that have caught up are taken back."""
    book = Book(program)
    kpis, commitments = (
        {one.metric: one for one in book.all(Kpi)},
        {one.key: one for one in book.all(Commitment)},
    )
    plans = {one.key: one for one in book.all(Plan)}
    planned = [
        intervention_for(one, commitments[one.key], kpis[one.metric], plans.get(one.key))
        for one in book.all(Performance)
        if one.status in BEHIND
    ]
    book.write(book.exactly(Intervention, planned))
    return {
        "interventions": len(planned),
        "value_at_risk": round(sum(one.value_at_risk for one in planned), 2),
        "actions": [
            {
                "account": one.account,
                "metric": one.metric,
                "cause": one.cause,
                "action": one.action,
                "due": one.due,
            }
            for one in planned[:SHOWN_MAX]
        ],
    }


def _day(as_of: str, measured: list[date], starts: list[str]) -> date:
    """Without a day given: that of the last measurement, or of the last start."""
    if as_of:
        return day_of(as_of, "as_of")
    return max(measured, default=date.fromisoformat(max(starts)))


if __name__ == "__main__":
    realize.main()
