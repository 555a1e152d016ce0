"""The tables of migrations/, as SQLAlchemy needs them to compose queries."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.types import UserDefinedType


class RawJson(UserDefinedType[msgspec.Raw]):
    """A `json` column, passed through as bytes: what an author or agent wrote is not ours to decode."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "json"

    def bind_processor(self, dialect: Any) -> Callable[[bytes | None], str | None]:
        return lambda value: None if value is None else bytes(value).decode()

    def result_processor(self, dialect: Any, coltype: Any) -> Callable[[str | None], msgspec.Raw | None]:
        return lambda value: None if value is None else msgspec.Raw(value.encode())


_metadata = MetaData()
_moment = DateTime(timezone=True)


def _table(table: str, /, **columns: Any) -> Table:
    return Table(table, _metadata, *(Column(column, kind) for column, kind in columns.items()))


workflow = _table(
    "workflow",
    project=Text,
    name=Text,
    active=Boolean,
    latest_version=Integer,
    created_at=_moment,
    paused_at=_moment,
    paused_by=Text,
    pause_reason=Text,
)
workflow_event = _table(
    "workflow_event",
    id=BigInteger,
    project=Text,
    workflow=Text,
    at=_moment,
    action=Text,
    by=Text,
    reason=Text,
)
workflow_version = _table(
    "workflow_version",
    project=Text,
    name=Text,
    version=Integer,
    digest=Text,
    source=RawJson,
    created_at=_moment,
)
run = _table(
    "run",
    id=UUID(as_uuid=True),
    project=Text,
    workflow=Text,
    workflow_version=Integer,
    state=Text,
    version=BigInteger,
    settled=Boolean,
    nodes_total=Integer,
    nodes_open=Integer,
    input=RawJson,
    output=RawJson,
    failure=RawJson,
    cancel_reason=Text,
    labels=JSONB,
    traceparent=Text,
    priority=Integer,
    created_at=_moment,
    changed_at=_moment,
    ended_at=_moment,
    deadline_at=_moment,
    started_by=Text,
    parent_run=UUID(as_uuid=True),
    source_run=UUID(as_uuid=True),
    concurrency_key=Text,
    number=BigInteger,
    detail=RawJson,
)
idempotency = _table("idempotency", project=Text, key=Text, digest=Text, run_id=UUID(as_uuid=True))
node = _table(
    "node",
    run_id=UUID(as_uuid=True),
    name=Text,
    part_of=Text,
    state=Text,
    attempt=Integer,
    first_attempt=Integer,
    iteration=Integer,
    token=UUID(as_uuid=True),
    runner=Text,
    publication=Integer,
    input=RawJson,
    output=RawJson,
    output_run=UUID(as_uuid=True),
    failure=RawJson,
    detail=RawJson,
    ready_at=_moment,
    started_at=_moment,
    ended_at=_moment,
    wake_at=_moment,
    deadline_at=_moment,
)
run_event = _table(
    "run_event",
    run_id=UUID(as_uuid=True),
    seq=BigInteger,
    at=_moment,
    kind=Text,
    node=Text,
    attempt=Integer,
    data=RawJson,
)
node_log = _table(
    "node_log",
    run_id=UUID(as_uuid=True),
    node=Text,
    attempt=Integer,
    line=Integer,
    at=_moment,
    stream=Text,
    text=Text,
)
node_progress = _table(
    "node_progress",
    run_id=UUID(as_uuid=True),
    node=Text,
    attempt=Integer,
    done=Double,
    total=Double,
    message=Text,
    at=_moment,
)
runner = _table(
    "runner",
    id=Text,
    pool=Text,
    host=Text,
    slots=Integer,
    tier=Text,
    agents=RawJson,
    seen_at=_moment,
    left_at=_moment,
)
store = _table("store", project=Text, name=Text, definition=RawJson, digest=Text, changed_at=_moment)
store_row = _table(
    "store_row",
    project=Text,
    store=Text,
    table_name=Text,
    key=Text,
    value=JSONB,
    version=BigInteger,
    run=UUID(as_uuid=True),
    node=Text,
    attempt=Integer,
    by=Text,
    written_at=_moment,
)
execution_limit = _table("execution_limit", scope=Text, name=Text, maximum=Integer, set_at=_moment)
schedule = _table(
    "schedule",
    project=Text,
    workflow=Text,
    name=Text,
    workflow_version=Integer,
    cron=Text,
    timezone=Text,
    overlap=Text,
    catch_up=Text,
    input=RawJson,
    paused=Boolean,
    paused_by=Text,
    paused_at=_moment,
    next_at=_moment,
    last_tick=_moment,
)
schedule_tick = _table(
    "schedule_tick",
    project=Text,
    workflow=Text,
    name=Text,
    moment=_moment,
    outcome=Text,
    run_id=UUID(as_uuid=True),
    reason=Text,
    by=Text,
    at=_moment,
)
artifact = _table("artifact", sha256=Text, size_bytes=BigInteger, stored_at=_moment)
breaker = _table(
    "breaker",
    project=Text,
    key=Text,
    state=Text,
    policy=Text,
    outcomes=Text,
    last_failure=Text,
    opened_at=_moment,
    open_until=_moment,
    permits=Text,
    recovered=Integer,
    refusals=Integer,
    changed_at=_moment,
    changed_by=Text,
)
breaker_event = _table(
    "breaker_event",
    id=BigInteger,
    project=Text,
    key=Text,
    at=_moment,
    from_state=Text,
    to_state=Text,
    by=Text,
    reason=Text,
)
event_trigger = _table(
    "event_trigger",
    project=Text,
    workflow=Text,
    name=Text,
    type=Text,
    match=RawJson,
    condition=Text,
    input=RawJson,
)
event_reaction = _table(
    "event_reaction",
    event_seq=BigInteger,
    workflow=Text,
    trigger=Text,
    outcome=Text,
    reason=Text,
    run_id=UUID(as_uuid=True),
    due_at=_moment,
    at=_moment,
)
event_taken = _table("event_taken", event_seq=BigInteger, run_id=UUID(as_uuid=True), node=Text, at=_moment)
inbound_event = _table(
    "inbound_event",
    seq=BigInteger,
    project=Text,
    source=Text,
    id=Text,
    type=Text,
    subject=Text,
    time=_moment,
    data=RawJson,
    attributes=RawJson,
    received_at=_moment,
    offered=Boolean,
)
