"""Rules that the records of a program must follow, read from a file that people write and auditors read.

rules:
  - id: large-commitments-by-a-person
    title: A commitment of 100,000 or more is approved by a person
    table: commitments
    when: {value: {at_least: 100000}}
    require: {approved_as: {is: person}}
    severity: error
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from penstock.agents import Invalid
from value_lifecycle.audit import Rows, digest_of
from value_lifecycle.integrity import Problem
from value_lifecycle.reading import NAME, Problems
from value_lifecycle.records import RECORDS, Control, Json

RULES_MAX = 200
SEVERITIES = ("error", "warning")
KEYS = ("id", "title", "table", "when", "require", "severity")
FIELDS = {kind.TABLE: set(kind.__dataclass_fields__) for kind in RECORDS}
DEFAULT = Path(__file__).with_name("rules.yaml")

TESTS: dict[str, Callable[[Any, Any, Json], bool]] = {
    "is": lambda value, wanted, row: value == wanted,
    "is_not": lambda value, wanted, row: value != wanted,
    "in": lambda value, wanted, row: value in wanted,
    "at_least": lambda value, wanted, row: value >= wanted,
    "at_most": lambda value, wanted, row: value <= wanted,
    "filled": lambda value, wanted, row: (value not in ("", None, [], ())) is wanted,
    "same_as": lambda value, wanted, row: value == row.get(wanted),
    "not_same_as": lambda value, wanted, row: value != row.get(wanted),
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Of each row of `table` for which all of `when` holds, all of `require` must hold."""

    id: str
    title: str
    table: str
    when: Mapping[str, Json]
    require: Mapping[str, Json]
    severity: str

    def control(self, program: str) -> Control:
        """What the store remembers of the rule, to see later whether it was another one."""
        terms = [self.id, self.title, self.table, self.when, self.require, self.severity]
        return Control(
            program=program,
            rule=self.id,
            title=self.title,
            table=self.table,
            severity=self.severity,
            digest=digest_of(terms),
        )


def read_rules(file: Path | None) -> list[Rule]:
    """The rules of a file, or those of the pack; raises Invalid with all that is wrong."""
    file = file or DEFAULT
    problems = Problems()
    rules = [
        _rule(given, f"{file.name}: rules[{number}]", problems)
        for number, given in enumerate(_document(file))
    ]
    for number, rule in enumerate(rules):
        if rule["id"] in [other["id"] for other in rules[:number]]:
            problems.add(f"{file.name}: rules[{number}].id", f"'{rule['id']}' is there twice")
    problems.stop_if_any()
    return [Rule(**rule) for rule in rules]


def violations(rules: list[Rule], rows: Rows) -> Iterator[Problem]:
    for rule in rules:
        for key, row in sorted(rows.get(rule.table, {}).items()):
            broken = [field for field, tests in rule.require.items() if not _holds(row, field, tests)]
            if broken and all(_holds(row, field, tests) for field, tests in rule.when.items()):
                shown = ", ".join(f"{field} is {row.get(field)!r}" for field in broken)
                yield Problem(rule.severity, rule.id, rule.table, key, f"{rule.title}: {shown}")


def _holds(row: Json, field: str, tests: Json) -> bool:
    """A value of another type than the rule speaks of does not hold."""
    try:
        return all(TESTS[name](row.get(field), wanted, row) for name, wanted in tests.items())
    except TypeError:
        return False


def _document(file: Path) -> list[Any]:
    try:
        document = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Invalid(f"{file.name}: can't be read as YAML: {error}") from error
    found = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > RULES_MAX:
        raise Invalid(f"{file.name}: expected a mapping with a list `rules` of at most {RULES_MAX}")
    return found


def _rule(given: Any, place: str, problems: Problems) -> Json:
    if not isinstance(given, dict):
        problems.add(place, "expected a mapping")
        given = {}
    rule = {"when": {}, "severity": "error", **given}
    for name in given:
        if name not in KEYS:
            problems.add(f"{place}.{name}", f"unknown key; there are {', '.join(KEYS)}")
    if not (isinstance(rule.get("id"), str) and NAME.fullmatch(rule["id"])):
        problems.add(f"{place}.id", "expected small letters, digits and hyphens")
    if not (isinstance(rule.get("title"), str) and rule["title"]):
        problems.add(f"{place}.title", "expected text")
    if rule["severity"] not in SEVERITIES:
        problems.add(f"{place}.severity", f"expected one of {', '.join(SEVERITIES)}")
    if rule.get("table") not in FIELDS:
        problems.add(f"{place}.table", f"expected one of {', '.join(FIELDS)}")
    if not rule.get("require"):
        problems.add(f"{place}.require", "missing: what must hold")
    for part in ("when", "require"):
        _check_tests(
            rule.get(part) or {}, f"{place}.{part}", FIELDS.get(rule.get("table", ""), set()), problems
        )
    return {name: rule.get(name) for name in KEYS}


def _check_tests(conditions: Any, place: str, known: set[str], problems: Problems) -> None:
    if not isinstance(conditions, dict) or not all(
        isinstance(tests, dict) and tests for tests in conditions.values()
    ):
        problems.add(place, "expected fields with their tests: {value: {at_least: 100000}}")
        return
    for field, tests in conditions.items():
        if known and field not in known:
            problems.add(f"{place}.{field}", f"no such field; there are {', '.join(sorted(known))}")
        for name in tests:
            if name not in TESTS:
                problems.add(f"{place}.{field}.{name}", f"no such test; there are {', '.join(TESTS)}")
