"""Integrity: what does not fit together is found, rules hold, and no change goes unseen."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from value_lifecycle.audit import GENESIS, broken_at, continued, digest_of, head_of
from value_lifecycle.compliance import read_rules, violations
from value_lifecycle.integrity import checked
from value_lifecycle.performance import performance_of
from value_lifecycle.records import Record

from penstock.agents import Invalid
from tests.packs import value_program as made

MAY = date(2026, 5, 1)
Tables = dict[str, dict[str, dict[str, Any]]]


def tables(*records: Record) -> Tables:
    found: Tables = {}
    for record in records:
        found.setdefault(record.TABLE, {})[record.key] = record.row()
    return found


def sound() -> Tables:
    """A program in order: one commitment, measured each month until May."""
    taken = made.measured(11.5, 11.0, 10.5, 10.0)
    done = performance_of(made.commitment(), made.kpi(), taken, as_of=MAY)
    parts = (made.account(), made.kpi(), made.opportunity(), made.target(), made.commitment(), made.plan())
    return tables(*parts, *taken, done)


def problems(rows: Tables) -> set[tuple[str, str, str]]:
    return {(one.severity, one.check, one.table) for one in checked(rows, as_of=MAY)}


def test_a_program_in_order_has_no_problem() -> None:
    assert checked(sound(), as_of=MAY) == []


@pytest.mark.parametrize(
    ("table", "changes", "problem"),
    [
        ("commitments", {"target": 8.0}, ("error", "arithmetic", "commitments")),
        ("commitments", {"due": "2025-01-01"}, ("error", "range", "commitments")),
        ("opportunities", {"value": 90_000.0}, ("error", "arithmetic", "opportunities")),
        ("opportunities", {"confidence": 1.4}, ("error", "range", "opportunities")),
        ("performance", {"value": 1.0}, ("error", "arithmetic", "performance")),
        ("measurements", {"value": 400.0}, ("error", "range", "measurements")),
        ("targets", {"metric": "other"}, ("error", "reference", "targets")),
        ("plans", {"program": "other"}, ("error", "reference", "plans")),
    ],
)
def test_what_somebody_changed_by_hand_is_found(
    table: str, changes: dict[str, Any], problem: tuple[str, str, str]
) -> None:
    rows = sound()
    key = next(iter(rows[table]))
    rows[table][key] = {**rows[table][key], **changes}

    assert problem in problems(rows)


def test_missing_records_gaps_doubles_and_stuck_sources_are_found() -> None:
    rows = sound()
    del rows["targets"]["northwind:fir:churn"]
    del rows["measurements"]["northwind:fir:churn:2026-03-01"]
    del rows["plans"]["northwind:fir:churn"]
    assert problems(rows) == {("error", "reference", "commitments"), ("error", "gap", "commitments")}

    gap = sound()
    del gap["measurements"]["northwind:fir:churn:2026-03-01"]
    assert [one.message for one in checked(gap, as_of=MAY)] == ["not measured on 2026-03-01"]

    doubled = sound()
    doubled["accounts"] |= tables(made.account("fir-2", title=" FIR "))["accounts"]
    doubled["measurements"] |= tables(*made.measured(11.0, 11.0, 11.0, 11.0))["measurements"]
    assert problems(doubled) == {("warning", "double", "accounts"), ("warning", "double", "measurements")}


def test_the_trail_tells_each_change_once() -> None:
    rows = sound()
    first = continued([], rows, program="northwind")
    key = "northwind:fir:churn"

    assert len(first) == sum(map(len, rows.values()))
    assert (first[0].previous, {one.change for one in first}) == (GENESIS, {"recorded"})
    assert continued(first, rows, program="northwind") == []

    rows["targets"][key] = {**rows["targets"][key], "status": "committed"}
    del rows["plans"][key]
    second = continued(first, rows, program="northwind")
    assert [(one.table, one.change) for one in second] == [("plans", "removed"), ("targets", "changed")]
    assert broken_at([*first, *second]) is None
    assert head_of([*first, *second]) == second[-1].hash


def test_a_trail_that_somebody_touched_is_broken_where_it_was_touched() -> None:
    trail = continued([], sound(), program="northwind")

    assert broken_at([*trail[:3], replace(trail[3], digest="0" * 64), *trail[4:]]) == "000004"
    assert broken_at([*trail[:3], *trail[4:]]) == trail[4].number
    assert broken_at([trail[1], trail[0]]) == trail[1].number


def test_a_digest_knows_numbers_and_not_how_they_are_written() -> None:
    assert digest_of({"a": 1, "b": [2.0]}) == digest_of({"b": (2,), "a": 1.0})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


def test_the_rules_of_the_pack_want_a_person_for_much_and_another_one_than_the_owner() -> None:
    def broken(**fields: object) -> set[str]:
        return {
            one.check for one in violations(read_rules(None), tables(replace(made.commitment(), **fields)))
        }  # type: ignore[arg-type]

    assert broken() == set()
    assert broken(value=100_000.0, approved_as="below-limit") == {"large-commitments-by-a-person"}
    assert broken(approved_by="ruth") == {"four-eyes"}
    assert broken(owner="") == {"commitments-have-owners"}


def test_own_rules_are_read_and_mistakes_in_them_told_together(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules:\n- {id: short, title: At most a year, table: plans, require: {tolerance: {at_most: 0.1}}}\n"
    )
    assert [one.message for one in violations(read_rules(file), sound())] == [
        "At most a year: tolerance is 0.2"
    ]

    file.write_text(
        "rules:\n- {id: A, title: '', table: plan, require: {}, sev: 1}\n"
        "- {id: b, title: x, table: plans, require: {size: {over: 1}}}\n"
    )
    with pytest.raises(Invalid) as refused:
        read_rules(file)
    for part in ("rules[0].id", "rules[0].title", "rules[0].table", "rules[0].require", "rules[0].sev: unknown key",
                 "rules[1].require.size: no such field", "rules[1].require.size.over: no such test"):  # fmt: skip
        assert part in str(refused.value)
