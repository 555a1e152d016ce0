"""Where to go next: what worked is scanned for elsewhere, modelled in scenarios, chosen by budget, put in an order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from value_lifecycle.finance import flows, irr, npv, payback_months
from value_lifecycle.records import (
    Account,
    Candidate,
    Case,
    Json,
    Kpi,
    Opportunity,
    Performance,
    Scenario,
    Step,
)
from value_lifecycle.trends import months_later

CANDIDATES_MAX = 40
EXACT_MAX = 16  # candidates of which every combination is tried: 65,536
WORKED_STATUS = ("achieved", "on-track")
REMAINDER_MIN = 0.1  # of the gap: less is not worth another effort
UNTRIED_EVIDENCE = 0.5  # nobody knows how well it works: half of what the confidence says
SWING = 0.2
DELAY_MONTHS = 3


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """How a scenario differs from what the data says."""

    name: str
    value_times: float
    cost_times: float
    delay_months: int


ASSUMPTIONS = (
    Assumption(name="conservative", value_times=0.7, cost_times=1.15, delay_months=3),
    Assumption(name="base", value_times=1.0, cost_times=1.0, delay_months=0),
    Assumption(name="ambitious", value_times=1.25, cost_times=1.0, delay_months=0),
)


def scanned(
    opportunities: Sequence[Opportunity],
    performance: Mapping[tuple[str, str], Performance],
    *,
    ambition: float,
) -> list[Candidate]:
    """What is left to gain, best first: elsewhere what worked, the rest of a gap, and what nobody has tried yet."""
    worked = {
        metric: [one for one in performance.values() if one.metric == metric and one.status in WORKED_STATUS]
        for metric in {one.metric for one in performance.values()}
    }
    found = [
        _candidate(one, performance.get(one.place), worked.get(one.metric, []), ambition)
        for one in opportunities
    ]
    candidates = [one for one in found if one is not None]
    return sorted(candidates, key=lambda one: (-one.value * one.confidence, one.key))[:CANDIDATES_MAX]


def scenarios_of(one: Candidate, kpi: Kpi, *, rate: float, horizon_months: int) -> list[Scenario]:
    return [_scenario(one, kpi, assumed, rate=rate, horizon_months=horizon_months) for assumed in ASSUMPTIONS]


def cases_of(scenarios: Sequence[Scenario], *, budget: float, rate: float, horizon_months: int) -> list[Case]:
    """Of each place whether to do it: the choice with the highest present value that the budget pays for.

    Judged by the base scenario; what loses money there is out. With more than EXACT_MAX of them the choice goes by
    present value for each unit of cost, which may leave a little of the budget unused.
    """
    base = {one.place: one for one in scenarios if one.name == "base"}
    costs = {place: _cost(one, rate=rate, horizon_months=horizon_months) for place, one in base.items()}
    gainful = [place for place, one in base.items() if one.npv > 0]
    gainful.sort(key=lambda place: (-base[place].npv / max(costs[place], 1.0), place))
    chosen = _chosen(gainful, {place: base[place].npv for place in gainful}, costs, budget=budget)
    return [
        Case(
            program=one.program,
            account=one.account,
            metric=one.metric,
            npv=one.npv,
            cost=round(costs[place], 2),
            index=round(one.npv / max(costs[place], 1.0), 3),
            chosen=place in chosen,
            reason=_reason(one.npv, is_chosen=place in chosen),
        )
        for place, one in base.items()
    ]


def roadmap_of(
    cases: Sequence[Case],
    kpis: Mapping[str, Kpi],
    accounts: Mapping[str, Account],
    *,
    start: date,
    at_once: int,
) -> list[Step]:
    """Best first, at most `at_once` at the same time, and never two at the same account: each begins when it can."""
    free = [start] * at_once
    busy: dict[str, date] = {}
    steps: list[Step] = []
    for case in sorted((one for one in cases if one.chosen), key=lambda one: (-one.index, one.key)):
        slot = free.index(min(free))
        begin = max(free[slot], busy.get(case.account, start))
        end = months_later(begin, max(1, kpis[case.metric].months_to_effect))
        free[slot] = busy[case.account] = end
        owner = accounts[case.account].owner
        steps.append(_step(case, begin=begin, end=end, owner=owner))
    return _in_waves(steps)


def _candidate(
    one: Opportunity, done: Performance | None, worked: Sequence[Performance], ambition: float
) -> Candidate | None:
    if done is not None:
        return _remainder(one, done, ambition)
    if one.status not in ("ranked", "selected"):
        return None
    if worked:
        proven = sum(min(1.0, each.attainment / max(each.expected, 0.01)) for each in worked) / len(worked)
        names = ", ".join(sorted(each.account for each in worked))
        evidence = f"worked at {names}: {proven:.0%} of what was due by then is reached"
        return _new(one, "replicate", share=1.0, confidence=one.confidence * proven, evidence=evidence)
    return _new(
        one,
        "untried",
        share=1.0,
        confidence=one.confidence * UNTRIED_EVIDENCE,
        evidence="no commitment has shown it yet",
    )


def _remainder(one: Opportunity, done: Performance, ambition: float) -> Candidate | None:
    """What a commitment that goes well leaves of the gap; one that lags needs help first, and no second target."""
    share = 1 - ambition
    if done.status not in WORKED_STATUS or share < REMAINDER_MIN:
        return None
    evidence = f"the commitment here is {done.status}; {share:.0%} of the gap is left"
    return _new(one, "remainder", share=share, confidence=one.confidence, evidence=evidence)


def _new(one: Opportunity, origin: str, *, share: float, confidence: float, evidence: str) -> Candidate:
    return Candidate(
        program=one.program,
        account=one.account,
        metric=one.metric,
        origin=origin,
        gap=round(share * one.gap, 4),
        value=round(share * one.value, 2),
        confidence=round(confidence, 3),
        evidence=evidence,
    )


def _scenario(one: Candidate, kpi: Kpi, assumed: Assumption, *, rate: float, horizon_months: int) -> Scenario:
    """The value is the expected one: what closing the gap is worth, times the confidence in it."""
    parts = {
        "value": one.value * one.confidence * assumed.value_times,
        "cost_once": kpi.cost_once * assumed.cost_times,
        "cost_per_year": kpi.cost_per_year * assumed.cost_times,
        "months_to_effect": kpi.months_to_effect + assumed.delay_months,
    }
    stream = flows(**parts, horizon_months=horizon_months)  # type: ignore[arg-type]
    returned, paid_back = irr(stream), payback_months(stream)
    return Scenario(
        program=one.program,
        account=one.account,
        metric=one.metric,
        name=assumed.name,
        value=round(parts["value"], 2),
        cost_once=round(parts["cost_once"], 2),
        cost_per_year=round(parts["cost_per_year"], 2),
        months_to_effect=int(parts["months_to_effect"]),
        npv=round(npv(stream, rate=rate), 2),
        irr=None if returned is None else round(returned, 4),
        payback_months=None if paid_back is None else round(paid_back, 1),
        sensitivity=tuple(sensitivity(parts, rate=rate, horizon_months=horizon_months)),
    )


def sensitivity(parts: Mapping[str, float], *, rate: float, horizon_months: int) -> list[Json]:
    """What becomes of the present value when one assumption is off, the one that matters most first."""

    def worth(changed: Mapping[str, float], at: float = rate) -> float:
        return round(npv(flows(**changed, horizon_months=horizon_months), rate=at), 2)  # type: ignore[arg-type]

    low_and_high: list[tuple[str, float, float]] = [
        (f"{name} ±{SWING:.0%}", *(worth({**parts, name: parts[name] * (1 + by)}) for by in (-SWING, SWING)))  # type: ignore[misc]
        for name in ("value", "cost_once", "cost_per_year")
    ]
    months = int(parts["months_to_effect"])
    late, early = ({**parts, "months_to_effect": max(0, months + by)} for by in (DELAY_MONTHS, -DELAY_MONTHS))
    low_and_high.append((f"effect {DELAY_MONTHS} months later or earlier", worth(late), worth(early)))
    low_and_high.append(
        ("discount rate ±2 points", worth(parts, rate + 0.02), worth(parts, max(0.0, rate - 0.02)))
    )
    named = [
        {"what": what, "low": min(low, high), "high": max(low, high)} for what, low, high in low_and_high
    ]
    return sorted(named, key=lambda each: (-(each["high"] - each["low"]), each["what"]))


def _cost(one: Scenario, *, rate: float, horizon_months: int) -> float:
    spent = flows(
        value=0.0,
        cost_once=one.cost_once,
        cost_per_year=one.cost_per_year,
        months_to_effect=one.months_to_effect,
        horizon_months=horizon_months,
    )
    return -npv(spent, rate=rate)


def _chosen(
    places: Sequence[tuple[str, str]],
    gains: Mapping[tuple[str, str], float],
    costs: Mapping[tuple[str, str], float],
    *,
    budget: float,
) -> Collection[tuple[str, str]]:
    if len(places) > EXACT_MAX:
        return _greedy(places, costs, budget=budget)
    sets = (set(some) for size in range(len(places) + 1) for some in combinations(places, size))
    paid = (some for some in sets if sum(costs[place] for place in some) <= budget)
    return max(paid, key=lambda some: sum(gains[place] for place in some), default=set())


def _greedy(
    places: Sequence[tuple[str, str]], costs: Mapping[tuple[str, str], float], *, budget: float
) -> Collection[tuple[str, str]]:
    chosen: list[tuple[str, str]] = []
    for place in places:
        if sum(costs[each] for each in chosen) + costs[place] <= budget:
            chosen.append(place)
    return chosen


def _reason(gain: float, *, is_chosen: bool) -> str:
    if is_chosen:
        return "chosen"
    return "the budget is better spent on others" if gain > 0 else "loses money in the base scenario"


def _step(case: Case, *, begin: date, end: date, owner: str) -> Step:
    return Step(
        program=case.program,
        account=case.account,
        metric=case.metric,
        wave=0,
        start=begin.isoformat(),
        due=end.isoformat(),
        owner=owner,
        npv=case.npv,
    )


def _in_waves(steps: Sequence[Step]) -> list[Step]:
    """Steps that begin on one day are a wave."""
    days = sorted({step.start for step in steps})
    waved = [Step(**{**step.row(), "wave": days.index(step.start) + 1}) for step in steps]
    return sorted(waved, key=lambda step: (step.wave, step.key))
