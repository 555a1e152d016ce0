"""What to say about a rule, from the table advice.yaml. Rules without an entry speak for themselves."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Advice:
    title: str
    why: str
    suggestion: str


def of(rule: str) -> Advice | None:
    """The advice for "<tool>/<rule>"."""
    tool, _, name = rule.partition("/")
    has_number = tool == "bandit" or (tool == "ruff" and name.startswith("S"))
    table = _table()
    return table.get(name[1:] if has_number else rule) or table.get(tool)


@cache
def _table() -> dict[str, Advice]:
    text = Path(__file__).with_name("advice.yaml").read_text(encoding="utf-8")
    return {rule: Advice(**entry) for rule, entry in yaml.safe_load(text).items()}


_table()  # once in a worker, and no more in its forks
