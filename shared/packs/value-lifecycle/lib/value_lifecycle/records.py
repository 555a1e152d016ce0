"""The records of a value program, as the tables of the pack's store hold them (store.yaml has their schemas).

A program is one endeavour with its own records; its name is part of every key. What is found, targeted and committed
is a pair of account and metric, a place. Money is in the program's currency, rates are shares, dates ISO 8601.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

Json = dict[str, Any]
Kind = TypeVar("Kind", bound="Record")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A row of the table `TABLE`; `PARTS` are the fields that make its key, after the program."""

    TABLE: ClassVar[str]
    PARTS: ClassVar[tuple[str, ...]] = ("account", "metric")

    program: str

    @property
    def key(self) -> str:
        return ":".join(str(getattr(self, part)) for part in ("program", *self.PARTS))

    def row(self) -> Json:
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class OfPlace(Record):
    """A record about one metric of one account."""

    account: str
    metric: str

    @property
    def place(self) -> tuple[str, str]:
        return self.account, self.metric


@dataclass(frozen=True, kw_only=True)
class Account(Record):
    TABLE, PARTS = "accounts", ("account",)

    account: str
    title: str
    segment: str
    revenue: float  # a year
    owner: str


@dataclass(frozen=True, kw_only=True)
class Kpi(Record):
    TABLE, PARTS = "kpis", ("metric",)

    metric: str
    title: str
    unit: str
    better: str  # lower | higher
    minimum: float
    maximum: float
    revenue_share_per_unit: float  # what one unit of improvement is worth a year, as a share of the revenue
    cost_once: float
    cost_per_year: float
    months_to_effect: int
    levers: tuple[str, ...]

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.better == "higher" else -1


@dataclass(frozen=True, kw_only=True)
class Opportunity(OfPlace):
    TABLE = "opportunities"

    current: float
    benchmark: float
    percentile: float  # of the account among its peers; 100 is the best
    gap: float  # how many units the account is behind its benchmark; never below 0
    value: float  # of closing the gap, a year
    confidence: float
    months: int  # with an observation
    noise: float  # standard error of `current`
    trend: float  # change a month
    best_change: float  # the best improvement a month over half a year among the peers; never below 0
    latest: str
    peers: int
    status: str  # found | valid | rejected | ranked | selected | committed
    reasons: tuple[str, ...] = ()
    score: float = 0.0
    rank: int = 0


@dataclass(frozen=True, kw_only=True)
class Target(OfPlace):
    TABLE = "targets"

    baseline: float
    target: float
    start: str
    due: str
    value: float  # of reaching it, a year
    forecast: float  # at `due`, if the trend goes on
    probability: float  # that the trend alone reaches the target
    feasibility: str  # on-trend | reachable | stretch | out-of-reach
    status: str  # proposed | approved | rejected | committed
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Commitment(OfPlace):
    TABLE = "commitments"

    baseline: float
    target: float
    start: str
    due: str
    value: float
    owner: str
    approved_by: str
    approved_as: str  # person | below-limit | caller
    digest: str  # SHA-256 of the terms; see commitments.py


@dataclass(frozen=True, kw_only=True)
class Plan(OfPlace):
    TABLE = "plans"

    owner: str
    dates: tuple[str, ...]  # on which the metric is measured
    tolerance: float  # a difference below it is noise


@dataclass(frozen=True, kw_only=True)
class Measurement(OfPlace):
    TABLE, PARTS = "measurements", ("account", "metric", "date")

    date: str
    value: float
    source: str  # file and line


@dataclass(frozen=True, kw_only=True)
class Performance(OfPlace):
    TABLE = "performance"

    as_of: str
    measured: int
    latest: float
    attainment: float  # 1: the target is reached
    expected: float  # where attainment would be on a straight way to the target
    trend: float
    forecast: float
    probability: float
    realized: float  # value so far
    value: float  # committed, a year
    status: str  # achieved | on-track | not-due | at-risk | missed | not-measured


@dataclass(frozen=True, kw_only=True)
class Intervention(OfPlace):
    TABLE = "interventions"

    status: str
    cause: str
    action: str
    owner: str
    due: str
    needed_per_month: float
    shown_per_month: float
    value_at_risk: float


@dataclass(frozen=True, kw_only=True)
class Candidate(OfPlace):
    TABLE = "candidates"

    origin: str  # replicate | remainder | untried
    gap: float
    value: float
    confidence: float
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Scenario(OfPlace):
    TABLE, PARTS = "scenarios", ("account", "metric", "name")

    name: str  # conservative | base | ambitious
    value: float
    cost_once: float
    cost_per_year: float
    months_to_effect: int
    npv: float
    irr: float | None  # a year; None: there is none
    payback_months: float | None  # None: never within the horizon
    sensitivity: tuple[Json, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case(OfPlace):
    TABLE = "cases"

    npv: float
    cost: float  # of the whole horizon, today's money
    index: float  # NPV for each unit of cost
    chosen: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Step(OfPlace):
    TABLE = "roadmap"

    wave: int
    start: str
    due: str
    owner: str
    npv: float


@dataclass(frozen=True, kw_only=True)
class Report(Record):
    TABLE, PARTS = "reports", ("kind", "as_of")

    kind: str
    as_of: str
    digest: str  # SHA-256 of the page
    narrative: str  # template, or the model that wrote it


@dataclass(frozen=True, kw_only=True)
class Control(Record):
    TABLE, PARTS = "controls", ("rule",)

    rule: str
    title: str
    table: str
    severity: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Entry(Record):
    """A link of the audit trail; see audit.py."""

    TABLE, PARTS = "audit", ("number",)

    number: str  # from 000001 on: text sorts as numbers do
    table: str
    record: str
    change: str  # recorded | changed | removed
    digest: str
    previous: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Certificate(Record):
    TABLE, PARTS = "certificates", ("as_of",)

    as_of: str
    digest: str
    head: str  # of the audit trail
    records: int
    run: str


RECORDS: tuple[type[Record], ...] = (
    Account, Kpi, Opportunity, Target, Commitment, Plan, Measurement, Performance, Intervention, Candidate, Scenario,
    Case, Step, Report, Control, Entry, Certificate,
)  # fmt: skip


def record(kind: type[Kind], row: Json) -> Kind:
    """The record that a row is."""
    values = {field.name: row[field.name] for field in fields(kind) if field.name in row}
    given: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return kind(**given)
