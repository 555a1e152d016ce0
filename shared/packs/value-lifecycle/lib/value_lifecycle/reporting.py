"""Pages for people: the report on a program's value, and the business case of its expansion."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from value_lifecycle.narrative import Narrative
from value_lifecycle.performance import BEHIND
from value_lifecycle.records import Account, Case, Commitment, Json, Kpi, Measurement, Performance, Scenario

TEMPLATES = Path(__file__).with_name("templates")
STATUS_ORDER = ("achieved", "on-track", "not-due", "at-risk", "missed", "not-measured")
CHART_WIDTH, CHART_HEIGHT = 160, 40


def value_facts(
    program: str,
    performance: Sequence[Performance],
    *,
    as_of: str,
    accounts: Mapping[str, Account],
    kpis: Mapping[str, Kpi],
) -> Json:
    """What the report says in words, numbers as they are shown."""
    behind = [one for one in performance if one.status in BEHIND]
    return {
        "program": program,
        "as of": as_of,
        "commitments": len(performance),
        "committed a year": money(sum(one.value for one in performance)),
        "realized so far": money(sum(one.realized for one in performance)),
        "by status": dict(Counter(one.status for one in performance)),
        "behind": [
            {
                "account": accounts[one.account].title,
                "metric": kpis[one.metric].title,
                "status": one.status,
                "share of the way reached": percent(one.attainment),
                "share of the time passed": percent(one.expected),
                "value a year": money(one.value),
            }
            for one in sorted(behind, key=lambda one: -one.value)
        ],
    }


def value_page(
    facts: Json,
    text: Narrative,
    *,
    performance: Sequence[Performance],
    commitments: Mapping[str, Commitment],
    measurements: Sequence[Measurement],
    accounts: Mapping[str, Account],
    kpis: Mapping[str, Kpi],
    template: str,
) -> str:
    """As HTML or Markdown, by the template's name."""
    rows = [
        {
            "account": accounts[one.account],
            "kpi": kpis[one.metric],
            "commitment": commitments[one.key],
            "performance": one,
            "chart": chart(commitments[one.key], [each for each in measurements if each.place == one.place]),
        }
        for one in sorted(performance, key=lambda one: (STATUS_ORDER.index(one.status), -one.value))
    ]
    return _render(template, facts=facts, narrative=text, rows=rows, statuses=STATUS_ORDER)


def case_facts(program: str, cases: Sequence[Case], *, budget: float, as_of: str) -> Json:
    chosen = [one for one in cases if one.chosen]
    return {
        "program": program,
        "as of": as_of,
        "budget": money(budget),
        "candidates": len(cases),
        "chosen": len(chosen),
        "cost of what is chosen": money(sum(one.cost for one in chosen)),
        "net present value of what is chosen": money(sum(one.npv for one in chosen)),
    }


def case_page(
    facts: Json,
    text: Narrative,
    *,
    cases: Sequence[Case],
    scenarios: Sequence[Scenario],
    accounts: Mapping[str, Account],
    kpis: Mapping[str, Kpi],
    rate: float,
    horizon_months: int,
) -> str:
    by_place: dict[tuple[str, str], dict[str, Scenario]] = {}
    for one in scenarios:
        by_place.setdefault(one.place, {})[one.name] = one
    rows = [
        {
            "account": accounts[one.account],
            "kpi": kpis[one.metric],
            "case": one,
            "scenarios": [by_place[one.place][name] for name in ("conservative", "base", "ambitious")],
        }
        for one in sorted(cases, key=lambda one: (not one.chosen, -one.npv, one.key))
    ]
    return _render(
        "case.html.j2", facts=facts, narrative=text, rows=rows, rate=rate, horizon_months=horizon_months
    )


def value_template_text(facts: Json) -> str:
    return _render("value.txt.j2", facts=facts).strip()


def case_template_text(facts: Json) -> str:
    return _render("case.txt.j2", facts=facts).strip()


def chart(commitment: Commitment, measured: Sequence[Measurement]) -> Json:
    """The way to the target and what was measured, as points of a small picture; y grows downwards."""
    from datetime import date

    start, due = date.fromisoformat(commitment.start), date.fromisoformat(commitment.due)
    points = [(0, commitment.baseline)]
    points += [
        ((date.fromisoformat(one.date) - start).days, one.value) for one in sorted(measured, key=_by_date)
    ]
    days = max((due - start).days, points[-1][0], 1)
    values = [value for _, value in points] + [commitment.target]
    low, high = min(values), max(values)

    def place(day: float, value: float) -> str:
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{day / days * CHART_WIDTH:.1f},{(1 - share) * CHART_HEIGHT:.1f}"

    return {
        "planned": f"{place(0, commitment.baseline)} {place((due - start).days, commitment.target)}",
        "measured": " ".join(place(day, value) for day, value in points),
        "width": CHART_WIDTH,
        "height": CHART_HEIGHT,
    }


def money(amount: float) -> str:
    return f"{amount:,.0f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def plain(text: str) -> str:
    """One line of Markdown that is neither markup nor the end of a table's cell."""
    return re.sub(r"([\\|<>\[\]`*])", r"\\\1", " ".join(text.split()))


def page_digest(page: str) -> str:
    return hashlib.sha256(page.encode()).hexdigest()


def _by_date(one: Measurement) -> str:
    return one.date


def _render(name: str, **values: Any) -> str:
    """Names of accounts come from outside: everything is escaped in HTML, and by `plain` in Markdown."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda template: template is not None and ".html" in template,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money, "percent": percent, "plain": plain}
    return environment.get_template(name).render(values)
