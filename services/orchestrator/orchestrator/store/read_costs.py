"""What runs cost, summed up by what their units are: time, tokens, dollars."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, Row, Select, exists, func, literal, literal_column, select

from orchestrator.engine.statistics_views import Cost
from orchestrator.store.budget_tables import model_call
from orchestrator.store.composed import Database
from orchestrator.store.read_model_calls import is_unpriced
from orchestrator.store.tables import run, run_event
from penstock.contracts.timeline import Kind
from penstock.contracts.value import Value
from penstock.telemetry.operations import measured

_TELL = (
    Kind.NODE_SUCCEEDED,
    Kind.NODE_REPEATED,
    Kind.NODE_RELEASED,
    Kind.NODE_ATTEMPT_FAILED,
    Kind.NODE_FAILED,
    Kind.NODE_CANCELLED,
    Kind.NODE_RELEASED,
)
_FIGURES = {
    "seconds": "{seconds}",
    "tokens_in": "{usage,tokens_in}",
    "tokens_out": "{usage,tokens_out}",
    "dollars": "{usage,cost_dollars}",
    "unpriced": "{usage,unpriced}",
}


class Work(Value, frozen=True):
    """What a unit of one version of a workflow is: `patch` of all its items, `charge:undo` of an undoing."""

    workflow: str
    version: int
    unit: str


class Used(Value, frozen=True):
    """What attempts used. `attempts` are those that a runner has told about."""

    attempts: int = 0
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = None
    unpriced: int = 0

    def __add__(self, other: "Used") -> "Used":
        known = [used.dollars for used in (self, other) if used.dollars is not None]
        return Used(
            self.attempts + other.attempts,
            self.seconds + other.seconds,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            sum(known) if known else None,
            self.unpriced + other.unpriced,
        )


@measured
async def read_used(database: Database, which: Sequence[ColumnElement[bool]]) -> dict[Work, Used]:
    """Of the runs that `which` picks. An attempt's runner tells all that it used at its end, what the agent told
    among it; of attempts that have not ended, or whose runner died, there are the calls of models as rows.
    """
    used = defaultdict[Work, Used](Used)
    for row in [*await database.rows(_told_by_facts(which)), *await database.rows(_told_by_calls(which))]:
        used[Work(row.workflow, row.of_version, row.unit)] += _used(row)
    return dict(used)


def _told_by_facts(which: Sequence[ColumnElement[bool]]) -> Select[Any]:
    figures = [func.sum(_told(path)).label(name) for name, path in _FIGURES.items()]
    return (
        select(
            run.c.workflow,
            run.c.workflow_version.label("of_version"),
            _unit(run_event.c.node),
            func.count(_told(_FIGURES["seconds"])).label("attempts"),
            *figures,
        )
        .join_from(run, run_event, run_event.c.run_id == run.c.id)
        .where(*which, run_event.c.kind.in_(_TELL))
        .group_by(run.c.workflow, run.c.workflow_version, "unit")
    )


def _told_by_calls(which: Sequence[ColumnElement[bool]]) -> Select[Any]:
    told = (
        exists()
        .where(
            run_event.c.run_id == model_call.c.run_id,
            run_event.c.node == model_call.c.node,
            run_event.c.attempt == model_call.c.attempt,
            run_event.c.kind.in_(_TELL),
            _told(_FIGURES["seconds"]).is_not(None),
        )
        .correlate(model_call)
    )
    return (
        select(
            run.c.workflow,
            run.c.workflow_version.label("of_version"),
            _unit(model_call.c.node),
            literal(0).label("attempts"),
            literal(0.0).label("seconds"),
            func.sum(model_call.c.tokens_in).label("tokens_in"),
            func.sum(model_call.c.tokens_out).label("tokens_out"),
            func.sum(model_call.c.cost_dollars).label("dollars"),
            func.count().filter(is_unpriced()).label("unpriced"),
        )
        .join_from(run, model_call, model_call.c.run_id == run.c.id)
        .where(*which, ~told)
        .group_by(run.c.workflow, run.c.workflow_version, "unit")
    )


def _unit(name: ColumnElement[str]) -> ColumnElement[str]:
    """Without the number of an item."""
    return func.regexp_replace(name, literal_column(r"'\[\d+\]'"), literal_column("''")).label("unit")


def cost_of(used: Used, *, minute_price_dollars: float) -> Cost:
    minutes = used.seconds / 60
    return Cost(
        execution_minutes=minutes,
        execution_dollars=_price(minutes, minute_price_dollars),
        tokens_in=used.tokens_in,
        tokens_out=used.tokens_out,
        llm_dollars=used.dollars,
        unpriced_calls=used.unpriced,
    )


def _told(path: str) -> ColumnElement[float]:
    """A number in a fact's data. PostgreSQL cannot take apart a text with \\u0000, which an agent may write."""
    is_safe = "position('\\u0000' in run_event.data::text) = 0"
    return literal_column(f"case when {is_safe} then (run_event.data #>> '{path}')::float8 end", Float)


def _used(row: Row[Any]) -> Used:
    return Used(
        attempts=row.attempts,
        seconds=float(row.seconds or 0.0),
        tokens_in=int(row.tokens_in or 0),
        tokens_out=int(row.tokens_out or 0),
        dollars=None if row.dollars is None else float(row.dollars),
        unpriced=int(row.unpriced or 0),
    )


def _price(minutes: float, minute_price: float) -> float | None:
    return minutes * minute_price if minute_price else None
