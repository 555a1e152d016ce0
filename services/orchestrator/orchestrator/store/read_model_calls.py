"""Reads of calls of language models: those of a node by attempt, with their sums."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from orchestrator.engine.attempt_views import ModelCallsView, ModelCallView
from orchestrator.store.budget_tables import model_call
from orchestrator.store.composed import Database
from penstock.telemetry.operations import measured

CALLS_PER_ATTEMPT_MAX = 100  # shown; sums are of all
ROWS_MAX = 1_000  # of all attempts of a node

_call = model_call.c


@measured
async def read_model_calls(database: Database, run_id: UUID, node: str) -> dict[int, ModelCallsView]:
    """By attempt."""
    is_of_node = (_call.run_id == run_id, _call.node == node)
    sums = await database.rows(
        select(
            _call.attempt,
            func.count().label("calls"),
            func.count().filter(_call.state == "replayed").label("replayed"),
            func.count().filter(_call.state == "failed").label("failed"),
            func.sum(_call.tokens_in).label("tokens_in"),
            func.sum(_call.tokens_out).label("tokens_out"),
            func.sum(_call.cost_dollars).label("cost_dollars"),
            func.count().filter(is_unpriced()).label("unpriced"),
        )
        .where(*is_of_node)
        .group_by(_call.attempt)
    )
    if not sums:
        return {}
    latest = select(model_call).where(*is_of_node).order_by(_call.began_at.desc(), _call.call).limit(ROWS_MAX)
    rows = await database.rows(latest)
    return {row.attempt: _view(row, [each for each in rows if each.attempt == row.attempt]) for row in sums}


def is_unpriced() -> Any:
    """A call that was made, or perhaps was, and of which nobody knows the cost."""
    return _call.state.in_(("done", "failed", "lost")) & _call.cost_dollars.is_(None)


def _view(sums: Row[Any], latest: Sequence[Row[Any]]) -> ModelCallsView:
    return ModelCallsView(
        calls=sums.calls,
        replayed=sums.replayed,
        failed=sums.failed,
        tokens_in=int(sums.tokens_in),
        tokens_out=int(sums.tokens_out),
        cost_dollars=None if sums.cost_dollars is None else float(sums.cost_dollars),
        unpriced=sums.unpriced,
        items=tuple(_call_view(row) for row in reversed(latest[:CALLS_PER_ATTEMPT_MAX])),
    )


def _call_view(row: Row[Any]) -> ModelCallView:
    return ModelCallView(
        state=row.state,
        operation=row.operation,
        model=row.model,
        provider=row.provider,
        answered_by=row.model_answered,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        cost_dollars=None if row.cost_dollars is None else float(row.cost_dollars),
        seconds=row.seconds,
        error=row.error,
        began_at=row.began_at,
    )
