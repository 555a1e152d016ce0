"""The agent value-integrity: checks of the records, rules, the audit trail, and a certificate for what holds."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

from value_lifecycle.audit import CHAINED, Rows, broken_at, continued, digest_of, head_of
from value_lifecycle.book import Book
from value_lifecycle.compliance import read_rules, violations
from value_lifecycle.dates import day_of
from value_lifecycle.integrity import Problem, checked
from value_lifecycle.records import Account, Certificate, Control, Entry, Opportunity, Performance

from penstock.agents import Invalid, agent, context

SHOWN_MAX = 30
MASTER = ("accounts", "kpis")  # what no other stage writes while the setup reads it
Stage = Literal[
    "data-integrity", "compliance-verification", "audit-trail", "certification", "integrity-setup"
]


@agent
def control(
    stage: Stage,
    program: str,
    as_of: str = "",
    rules: Path | None = None,
    head: str = "",
) -> dict[str, Any]:
    """One stage of integrity-controls-v1 on the records of a program."""
    match stage:
        case "data-integrity":
            return check(program, as_of)
        case "compliance-verification":
            return verify(program, rules)
        case "audit-trail":
            return trail(program)
        case "certification":
            return certify(program, day_of(as_of, "as_of"), head)
        case "integrity-setup":
            return set_up(program, rules)


def check(program: str, as_of: str) -> dict[str, Any]:
    """Writes nothing."""
    book = Book(program)
    book.some(Account, needed_for="checks", made_by="opportunity-discovery-v1")
    day = _day(book, as_of)
    rows = book.rows(CHAINED)
    found = checked(rows, as_of=day)
    return {"as_of": day.isoformat(), "records": sum(map(len, rows.values())), **_told(found)}


def verify(program: str, rules: Path | None) -> dict[str, Any]:
    """Remembers the rules that were verified: another rule under an old name shows in the audit trail."""
    book, known = Book(program), read_rules(rules)
    found = sorted(violations(known, book.rows(CHAINED)))
    book.write(book.exactly(Control, [rule.control(program) for rule in known]))
    return {"rules": len(known), **_told(found)}


def trail(program: str) -> dict[str, Any]:
    """Adds what has changed to the trail."""
    book = Book(program)
    told, added = _continued(book, book.rows(CHAINED), CHAINED)
    book.write(book.put(added))
    return told


def certify(program: str, as_of: date, head: str) -> dict[str, Any]:
    """Only of records that are all in the trail as they are, up to the head that the run has seen."""
    book = Book(program)
    entries, rows = book.all(Entry), book.rows(CHAINED)
    if head_of(entries) != head or continued(entries, rows, program=program):
        raise Invalid(
            f"the records of '{program}' have changed since their audit: run integrity-controls-v1 again"
        )
    digests = {table: {key: digest_of(row) for key, row in stored.items()} for table, stored in rows.items()}
    made = Certificate(
        program=program,
        as_of=as_of.isoformat(),
        digest=digest_of(digests),
        head=head,
        records=sum(map(len, rows.values())),
        run=context.run,
    )
    same = [one for one in book.all(Certificate) if replace(one, run=made.run) == made]
    certificate = same[0] if same else made  # the first run to certify it is the one that is named
    file = context.out_folder / "certificate.json"
    file.write_text(json.dumps({**certificate.row(), "digests": digests}, indent=1, sort_keys=True), "utf-8")
    book.write(book.put([certificate]))
    return {"certificate": file, "digest": certificate.digest, "records": certificate.records}


def set_up(program: str, rules: Path | None) -> dict[str, Any]:
    """The rules are read and remembered, and the trail begins with what the program stands on."""
    book, known = Book(program), read_rules(rules)
    book.some(Account, needed_for="controls", made_by="opportunity-discovery-v1")
    controls = [rule.control(program) for rule in known]
    rows = {**book.rows(MASTER), Control.TABLE: {one.key: one.row() for one in controls}}
    told, added = _continued(book, rows, (*MASTER, Control.TABLE))
    book.write(book.exactly(Control, controls), book.put(added))
    return {"rules": len(known), **told}


def _continued(book: Book, rows: Rows, tables: tuple[str, ...]) -> tuple[dict[str, Any], list[Entry]]:
    """What is to be told of the trail, and its new entries. A trail that is broken is told and not continued."""
    entries = book.all(Entry)
    broken = broken_at(entries)
    added = [] if broken else continued(entries, rows, program=book.program, tables=tables)
    told = {
        "intact": broken is None,
        "broken_at": broken,
        "entries": len(entries) + len(added),
        "added": len(added),
        "head": head_of([*entries, *added]),
    }
    return told, added


def _told(found: list[Problem]) -> dict[str, Any]:
    errors = sum(problem.severity == "error" for problem in found)
    for problem in found[:SHOWN_MAX]:
        context.log(problem.message, severity=problem.severity, record=f"{problem.table}/{problem.record}")
    return {
        "passed": errors == 0,
        "errors": errors,
        "warnings": len(found) - errors,
        "problems": found[:SHOWN_MAX],
    }


def _day(book: Book, as_of: str) -> date:
    """Without a day given: that of the last analysis, else of the last observation."""
    if as_of:
        return day_of(as_of, "as_of")
    days = [one.as_of for one in book.all(Performance)] or [one.latest for one in book.all(Opportunity)]
    return day_of(max(days), "as_of") if days else date.min


if __name__ == "__main__":
    control.main()
