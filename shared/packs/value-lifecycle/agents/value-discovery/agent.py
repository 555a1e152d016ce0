"""The agent value-discovery: market research, validation and prioritization of opportunities."""

from datetime import date
from pathlib import Path
from typing import Any, Literal

from value_lifecycle.book import Book
from value_lifecycle.dates import day_of
from value_lifecycle.discovery import Limits, Weights, prioritized, research, validated
from value_lifecycle.reading import Data, read_data
from value_lifecycle.records import Account, Commitment, Kpi, Opportunity

from penstock.agents import Invalid, agent, context

SHOWN_MAX = 20  # of a list in the output; the store has all


@agent
def discover(
    stage: Literal["market-research", "validation", "prioritization"],
    program: str,
    data: Path | None = None,
    as_of: str = "",
    limits: Limits | None = None,
    weights: Weights | None = None,
    select: int = 5,
) -> dict[str, Any]:
    """One stage of opportunity-discovery-v1 on the records of a program."""
    match stage:
        case "market-research":
            return market_research(program, data, as_of)
        case "validation":
            return validation(program, day_of(as_of, "as_of"), limits or Limits())
        case "prioritization":
            return prioritization(program, weights or Weights(), select)


def market_research(program: str, data: Path | None, as_of: str) -> dict[str, Any]:
    """Reads the folder, and records what of it is behind its benchmark. What is committed already stays as it is."""
    if data is None:
        raise Invalid("data: missing; expected a folder with accounts.csv, history.csv and metrics.json")
    known = read_data(data, program=program)
    if not known.readings:
        raise Invalid("history.csv: has no observation")
    day = day_of(as_of, "as_of") if as_of else max(reading.date for reading in known.readings)
    found = research(known, as_of=day)
    book = Book(program)
    _keep_what_is_committed(known, book.all(Commitment))
    committed = {one.key: one for one in book.all(Opportunity, status="committed")}
    kept = [*committed.values(), *(one for one in found if one.key not in committed)]
    book.write(
        book.exactly(Account, list(known.accounts.values())),
        book.exactly(Kpi, list(known.kpis.values())),
        book.exactly(Opportunity, kept),
    )
    context.log("behind their benchmark", opportunities=len(found), accounts=len(known.accounts))
    return {
        "as_of": day.isoformat(),
        "opportunities": len(found),
        "value": _value(found),
        **_counts(known, day),
    }


def validation(program: str, as_of: date, limits: Limits) -> dict[str, Any]:
    book = Book(program)
    accounts = {one.account: one for one in book.all(Account)}
    judged = [
        validated(one, accounts[one.account], limits=limits, as_of=as_of)
        for one in book.all(Opportunity)
        if one.status != "committed"
    ]
    book.write(book.put(judged))
    rejected = [one for one in judged if one.status == "rejected"]
    return {
        "valid": len(judged) - len(rejected),
        "rejected": len(rejected),
        "reasons": [{"opportunity": one.key, "reasons": list(one.reasons)} for one in rejected[:SHOWN_MAX]],
    }


def prioritization(program: str, weights: Weights, select: int) -> dict[str, Any]:
    book = Book(program)
    valid = book.all(Opportunity, status="valid")
    kpis = {one.metric: one for one in book.all(Kpi)}
    ordered = prioritized(valid, kpis, weights=weights, limit=select)
    book.write(book.put(ordered))
    selected = ordered[:select]
    return {
        "ranked": len(ordered),
        "selected": len(selected),
        "value": _value(selected),
        "top": [
            {"account": one.account, "metric": one.metric, "value": one.value, "score": one.score}
            for one in selected[:SHOWN_MAX]
        ],
    }


def _keep_what_is_committed(known: Data, commitments: list[Commitment]) -> None:
    """Without its account or metric a commitment could be neither measured nor reported."""
    lost = {
        f"accounts.csv: lacks '{one.account}'" for one in commitments if one.account not in known.accounts
    }
    lost |= {f"metrics.json: lacks '{one.metric}'" for one in commitments if one.metric not in known.kpis}
    if lost:
        raise Invalid(f"{'; '.join(sorted(lost))}: the program has commitments for it")


def _value(found: list[Opportunity]) -> float:
    return round(sum(one.value for one in found), 2)


def _counts(known: Data, day: date) -> dict[str, int]:
    return {
        "accounts": len(known.accounts),
        "metrics": len(known.kpis),
        "observations": sum(reading.date <= day for reading in known.readings),
    }


if __name__ == "__main__":
    discover.main()
