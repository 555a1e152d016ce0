"""Collects the problems of one document, each with its line."""

from collections.abc import Collection, Iterable
from typing import Protocol

from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.names import did_you_mean
from penstock.contracts.workflow import Json
from penstock.definition.document import Path, dotted

COMPARISONS_MAX = 20_000  # names compared for hints: half a second at worst, four hints among 5,000 nodes
PROBLEMS_MAX = 1_000  # nobody reads more; 5,000 broken nodes must not make a book
_TEXT_CHARS_MAX = 60
_CHOICES_LISTED_MAX = 12


class Located(Protocol):
    """Knows the line of each path."""

    def line(self, path: Path) -> int | None: ...


class Report:
    """What is wrong with a document so far. Without a document, paths have no lines."""

    def __init__(self, document: Located | None = None) -> None:
        self._document = document
        self._problems: list[Problem] = []
        self._left_out = 0
        self._comparisons_left = COMPARISONS_MAX

    def error(self, path: Path, message: str) -> None:
        self._add(path, message, "error")

    def warning(self, path: Path, message: str) -> None:
        self._add(path, message, "warning")

    def unknown(self, path: Path, kind: str, name: str, choices: Collection[str]) -> None:
        """`no node named 'scann'; did you mean 'scan'?`, or the choices if they are few and none is near."""
        hint = self.hint(name, choices)
        if not hint and 0 < len(choices) <= _CHOICES_LISTED_MAX:
            hint = f"; expected one of {', '.join(choices)}"
        self.error(path, f"no {kind} named '{name[:_TEXT_CHARS_MAX]}'{hint}")

    def hint(self, name: str, choices: Collection[str]) -> str:
        """`; did you mean 'scan'?`, as long as looking for the nearest name is affordable."""
        self._comparisons_left -= len(choices)
        return did_you_mean(name, choices) if self._comparisons_left >= 0 else ""

    def extend(self, problems: Iterable[Problem]) -> None:
        self._problems.extend(problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that was found, in the order of the lines."""
        found = sorted(self._problems, key=lambda problem: problem.line or 0)
        if self._left_out:
            found.append(Problem(path="", message=f"and {self._left_out} more problems"))
        return tuple(found)

    def raise_if_wrong(self, what: str) -> None:
        """Raise InvalidInput with all problems if any of them is an error."""
        problems = self.problems
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            line = f"line {errors[0].line}: " if errors[0].line else ""
            place = f"{errors[0].path}: " if errors[0].path else ""
            raise InvalidInput(f"{what} is not valid: {line}{place}{errors[0].message}{rest}", problems)

    def _add(self, path: Path, message: str, severity: str) -> None:
        if len(self._problems) >= PROBLEMS_MAX:
            self._left_out += 1
            return
        line = self._document.line(path) if self._document else None
        self._problems.append(Problem(path=dotted(path), message=message, line=line, severity=severity))


def described(value: Json) -> str:
    """A value as an error message shows it, cut to a length that fits."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"'{value[:_TEXT_CHARS_MAX]}{'…' if len(value) > _TEXT_CHARS_MAX else ''}'"
    return "a list" if isinstance(value, list) else "a mapping"
