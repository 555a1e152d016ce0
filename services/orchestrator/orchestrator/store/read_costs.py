"""What runs cost, summed up from the facts that ended their attempts: time, tokens, dollars."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, Row, func, literal_column, select

from orchestrator.engine.statistics_views import Cost
from orchestrator.store.composed import Database
from orchestrator.store.tables import run, run_event
from penstock.contracts.timeline import Kind
from penstock.telemetry.operations import measured

_TELL = (
    Kind.NODE_SUCCEEDED,
    Kind.NODE_REPEATED,
    Kind.NODE_RELEASED,
    Kind.NODE_ATTEMPT_FAILED,
    Kind.NODE_FAILED,
    Kind.NODE_CANCELLED,
)
_FIGURES = {
    "seconds": "{seconds}",
    "tokens_in": "{usage,tokens_in}",
    "tokens_out": "{usage,tokens_out}",
    "dollars": "{usage,cost_dollars}",
    "unpriced": "{usage,unpriced}",
}


@measured
async def read_costs(
    database: Database, which: Sequence[ColumnElement[bool]], *, minute_price_dollars: float
) -> dict[str, Cost]:
    """Of the runs that `which` picks, by workflow. A price of 0: nobody knows what a minute costs."""
    figures = [func.sum(_told(path)).label(name) for name, path in _FIGURES.items()]
    rows = await database.rows(
        select(run.c.workflow, *figures)
        .join_from(run, run_event, run_event.c.run_id == run.c.id)
        .where(*which, run_event.c.kind.in_(_TELL))
        .group_by(run.c.workflow)
    )
    return {row.workflow: _cost(row, minute_price_dollars) for row in rows}


def no_cost(*, minute_price_dollars: float) -> Cost:
    return Cost(0.0, 0.0 if minute_price_dollars else None, 0, 0, None, 0)


def total_cost(costs: Sequence[Cost], *, minute_price_dollars: float) -> Cost:
    known = [cost.llm_dollars for cost in costs if cost.llm_dollars is not None]
    return Cost(
        execution_minutes=sum(cost.execution_minutes for cost in costs),
        execution_dollars=_price(sum(cost.execution_minutes for cost in costs), minute_price_dollars),
        tokens_in=sum(cost.tokens_in for cost in costs),
        tokens_out=sum(cost.tokens_out for cost in costs),
        llm_dollars=sum(known) if known else None,
        unpriced_calls=sum(cost.unpriced_calls for cost in costs),
    )


def _told(path: str) -> ColumnElement[float]:
    """A number in a fact's data. PostgreSQL cannot take apart a text with \\u0000, which an agent may write."""
    is_safe = "position('\\u0000' in run_event.data::text) = 0"
    return literal_column(f"case when {is_safe} then (run_event.data #>> '{path}')::float8 end", Float)


def _cost(row: Row[Any], minute_price: float) -> Cost:
    minutes = (row.seconds or 0.0) / 60
    return Cost(
        execution_minutes=minutes,
        execution_dollars=_price(minutes, minute_price),
        tokens_in=int(row.tokens_in or 0),
        tokens_out=int(row.tokens_out or 0),
        llm_dollars=row.dollars,
        unpriced_calls=int(row.unpriced or 0),
    )


def _price(minutes: float, minute_price: float) -> float | None:
    return minutes * minute_price if minute_price else None
