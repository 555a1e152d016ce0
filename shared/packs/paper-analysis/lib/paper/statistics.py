"""Statistics that a paper reports: tests with their p-values (computed again), intervals, sample and effect sizes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from paper.distributions import p_of_chi_squared, p_of_f, p_of_r, p_of_t, p_of_z
from paper.flow import Flow, Place

# Bounded, because a stranger's page may be made of digits.
_NUMBER = r"(?<![\w.])[-−–]?\s?(?:\d{1,9}(?:,\d{3}){0,3}(?:\.\d{1,9})?|\.\d{1,9})(?:[eE][-−]?\d{1,3})?"
_P = r"[pP]\s*(?P<relation>[<>=≤≥])\s*(?P<p>[01]?\.\d{1,20}(?:\s?[×x*]\s?10\s?[-−–]\s?\d+|[eE][-−–]\d+)?)"
_TEST = re.compile(
    r"(?<![\w.])(?P<kind>t|F|r|z|Z|χ\s?2|χ²|[Cc]hi(?:-|\s)?squared?|X2|𝜒\s?2)\s*"
    r"(?:\(\s*(?P<first>\d+(?:\.\d+)?)\s*(?:,\s*(?:[nN]\s*=\s*)?(?P<second>\d+(?:\.\d+)?))?\s*\))?\s*"
    rf"=\s*(?P<value>{_NUMBER})\s*[,;]\s*(?:\w+\s*)?{_P}"
)
_P_ALONE = re.compile(rf"(?<![\w.]){_P}")
_INTERVAL = re.compile(
    rf"\b\d{{2}}(?:\.\d)?\s?%\s*(?:CI|confidence intervals?)\b[^.;]{{0,40}}?{_NUMBER}", re.IGNORECASE
)
_SIZE = re.compile(r"(?<![\w.])[nN]\s*=\s*(?P<size>\d{1,3}(?:,\d{3})+|\d+)(?![\d.])")
_EFFECT = re.compile(
    rf"(?:Cohen['’]?s\s+d|Hedges['’]?\s?g|η\s?p?\s?2|η²|odds ratio|\bOR|\bd|R²|R\s?2)\s*=\s*{_NUMBER}"
)
_SPREAD = re.compile(
    rf"{_NUMBER}\s?±\s?{_NUMBER}|\bSD\s*=\s*{_NUMBER}|\bstandard deviations?\b|\berror bars?\b"
)
_KINDS = {"t": "t", "F": "F", "r": "r", "z": "z", "Z": "z"}
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Statistic:
    """`computed` is the p-value that the reported value and degrees of freedom give; None if they do not say."""

    kind: str  # t, F, r, z, chi2 (with p); p, interval, size, effect, spread
    text: str
    place: Place
    p: float | None = None
    relation: str = ""
    computed: float | None = None
    verdict: str = "unchecked"  # consistent, inconsistent, decision (crosses 0.05), unchecked


def statistics_in(flow: Flow) -> Iterator[Statistic]:
    taken: list[tuple[int, int]] = []
    for match in _TEST.finditer(flow.text):
        taken.append(match.span())
        yield _tested(flow, match)
    for match in _P_ALONE.finditer(flow.text):
        if not any(start <= match.start() < end for start, end in taken):
            p = _float(match["p"])
            yield Statistic("p", match[0], flow.place(*match.span()), p, match["relation"])
    for kind, pattern in (("interval", _INTERVAL), ("size", _SIZE), ("effect", _EFFECT), ("spread", _SPREAD)):
        for match in pattern.finditer(flow.text):
            yield Statistic(kind, match[0], flow.place(*match.span()))


def _tested(flow: Flow, match: re.Match[str]) -> Statistic:
    kind = _KINDS.get(match["kind"], "chi2")
    p = _float(match["p"])
    span = _spans(kind, match)
    verdict = "unchecked" if span is None else _verdict(match["relation"], match["p"], p, span)
    middle = None if span is None else round(span[1], 6)
    return Statistic(kind, match[0], flow.place(*match.span()), p, match["relation"], middle, verdict)


def _spans(kind: str, match: re.Match[str]) -> tuple[float, float, float] | None:
    """The p-values of the least, the reported and the greatest value that round to what is written."""
    value = abs(_float(match["value"]))
    half = 0.5 * 10 ** -len(match["value"].partition(".")[2].strip())
    values = (value + half, value, max(value - half, 0.0))
    results = [_p(kind, each, match["first"], match["second"]) for each in values]
    if any(result is None for result in results):
        return None
    return (results[0] or 0.0, results[1] or 0.0, results[2] or 0.0)


def _p(kind: str, value: float, first: str | None, second: str | None) -> float | None:
    if kind == "z":
        return p_of_z(value)
    if first is None or float(first) <= 0:
        return None
    if kind == "t":
        return p_of_t(value, freedom=float(first))
    if kind == "r":
        return p_of_r(min(value, 1.0), freedom=float(first))
    if kind == "chi2":
        return p_of_chi_squared(value, freedom=float(first))
    if second is None or float(second) <= 0:
        return None
    return p_of_f(value, above=float(first), below=float(second))


def _verdict(relation: str, written: str, p: float, span: tuple[float, float, float]) -> str:
    """Reported and computed p agree if some value behind the rounding of both does; one-sided tests halve p."""
    if _agrees(relation, written, p, span) or _agrees(
        relation, written, p, (span[0] / 2, span[1] / 2, span[2] / 2)
    ):
        return "consistent"
    reported_significant = p <= _SIGNIFICANT if relation in "=<≤" else False
    crosses = reported_significant != (span[1] <= _SIGNIFICANT)
    return "decision" if crosses else "inconsistent"


def _agrees(relation: str, written: str, p: float, span: tuple[float, float, float]) -> bool:
    low, _, high = span
    if relation in "<≤":
        return low <= p
    if relation in ">≥":
        return high >= p
    digits = len(written.partition(".")[2]) if "e" not in written.lower() and "10" not in written[3:] else 6
    half: float = 0.5 * 10**-digits
    return low <= p + half and high >= p - half


def _float(text: str) -> float:
    plain = re.sub(r"[−–]", "-", text).replace(",", "").replace(" ", "")
    mantissa, ten, exponent = re.sub(r"[×x*]10-", "e-", plain).lower().partition("e")
    return float(Decimal(mantissa or "0").scaleb(int(exponent) if ten else 0))
