"""The tables of calls of models and of their budgets, as SQLAlchemy needs them to compose queries."""

from typing import Any

from sqlalchemy import BigInteger, Column, Date, DateTime, Double, Integer, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import UUID

_metadata = MetaData()
_moment = DateTime(timezone=True)


def _table(table: str, /, **columns: Any) -> Table:
    return Table(table, _metadata, *(Column(column, kind) for column, kind in columns.items()))


model_call = _table(
    "model_call",
    call=UUID(as_uuid=True),
    run_id=UUID(as_uuid=True),
    node=Text,
    attempt=Integer,
    agent=Text,
    operation=Text,
    model=Text,
    state=Text,
    replay_of=UUID(as_uuid=True),
    replayed=Integer,
    provider=Text,
    model_answered=Text,
    tokens_in=BigInteger,
    tokens_out=BigInteger,
    cost_dollars=Numeric,
    seconds=Double,
    error=Text,
    began_at=_moment,
    ended_at=_moment,
)
budget_account = _table(
    "budget_account",
    project=Text,
    key=Text,
    scope=Text,
    workflow=Text,
    run_id=UUID(as_uuid=True),
    day=Date,
    tokens_spent=BigInteger,
    dollars_spent=Numeric,
    unpriced=BigInteger,
    tokens_reserved=BigInteger,
    dollars_reserved=Numeric,
    tokens_raised=BigInteger,
    dollars_raised=Numeric,
)
project_budget = _table(
    "project_budget",
    project=Text,
    period=Text,
    dollars=Numeric,
    tokens=BigInteger,
    on_limit=Text,
    set_at=_moment,
    set_by=Text,
)
budget_event = _table(
    "budget_event",
    project=Text,
    key=Text,
    action=Text,
    by=Text,
    reason=Text,
    dollars=Numeric,
    tokens=BigInteger,
)
