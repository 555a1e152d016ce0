"""Between the core's values and the store's rows."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

import msgspec

from orchestrator.domain.detail import Detail, EventAwaited
from orchestrator.domain.node import NODE_DONE
from orchestrator.domain.plan import Plan
from orchestrator.domain.rebuild import catch_up, rebuild
from orchestrator.domain.run import Node, NodeState, Parent, Pause, Run, RunState, Undo
from orchestrator.domain.unit import node_of
from orchestrator.engine.committed import NumberedFact
from orchestrator.store.load import NodeRow, RunRow
from orchestrator.store.save import EventWrite, NodeWrite, RunWrite, deadline_of
from penstock.contracts.failure import Failure
from penstock.contracts.inbound import topic_of
from penstock.contracts.value import Value
from penstock.contracts.wire import decode, encode

_details = msgspec.json.Decoder(Detail)


class RunDetail(Value, frozen=True, omit_defaults=True):
    """Column `run.detail`: what only some runs have."""

    pause: Pause | None = None
    undo: Undo | None = None
    pins: Mapping[str, int] = {}
    parent: Parent | None = None


_NO_DETAIL = RunDetail()


def run_write(before: Run, after: Run) -> RunWrite:
    return RunWrite(
        id=after.id,
        expected=before.version,
        version=after.version,
        state=after.state,
        nodes_open=after.open_nodes,
        output=_text(after.output),
        failure=_failure(after.failure),
        cancel_reason=after.cancel_reason,
        detail=run_detail(after),
        timeout=after.plan.definition.timeout,
    )


def run_detail(run: Run) -> str | None:
    detail = RunDetail(run.pause, run.undo, run.pins, run.parent)
    return None if detail == _NO_DETAIL else encode(detail).decode()


def node_write(before: Run, after: Run, name: str, *, lease: timedelta) -> NodeWrite:
    node = before.nodes.get(name)
    return _node_write(after, name, after.nodes[name], node if node and node.has_row else None, lease)


def first_writes(run: Run, names: Iterable[str]) -> tuple[NodeWrite, ...]:
    """The rows of a new run."""
    return tuple(_node_write(run, name, run.nodes[name], None, timedelta(0)) for name in names)


def _node_write(run: Run, name: str, node: Node, before: Node | None, lease: timedelta) -> NodeWrite:
    held = node.token is not None
    return NodeWrite(
        run_id=run.id,
        name=name,
        part_of=None if name in run.plan.nodes else node_of(name),
        state=node.state,
        attempt=node.attempt,
        first_attempt=node.first_attempt,
        iteration=node.iteration,
        token=node.token,
        runner=node.runner,
        publication=node.publication,
        input=_text(node.input) if before is None or before.input is not node.input else None,
        output=_text(node.output) if node.output_run is None else None,
        output_run=node.output_run,
        previous=_text(node.previous),
        answers=_text(node.answers) if before is None or before.answers is not node.answers else None,
        failure=_failure(node.failure),
        detail=None if node.detail is None else encode(node.detail).decode(),
        topic=_topic(run, node) if node.state is NodeState.SUSPENDED else None,
        completed_version=node.completed,
        wake_in=lease if held else node.wake_in,
        wake_until=node.wake_until,
        deadline_in=deadline_of(run.plan.work(name).timeout) if held else node.deadline_in,
        attempt_expected=None if before is None else before.attempt,
        token_expected=None if before is None else before.token,
    )


def _topic(run: Run, node: Node) -> str | None:
    """Under which events from outside find a suspended unit."""
    return topic_of(run.project, node.detail.type) if isinstance(node.detail, EventAwaited) else None


def event_writes(run: UUID, facts: Iterable[NumberedFact]) -> list[EventWrite]:
    return [EventWrite(run, n.seq, n.fact.kind, n.fact.node, n.fact.attempt, n.data.decode()) for n in facts]


def stored_run(plan: Plan, row: RunRow, nodes: Iterable[NodeRow]) -> Run:
    """The run that these rows hold."""
    return rebuild(_stored_run(plan, row), {node.name: _stored_node(node) for node in nodes})


def caught_up_run(known: Run, row: RunRow, changed: Iterable[NodeRow]) -> Run:
    """The run that these rows hold, of whose units only those are given that changed since `known`."""
    return catch_up(_stored_run(known.plan, row), known, {node.name: _stored_node(node) for node in changed})


def _stored_run(plan: Plan, row: RunRow) -> Run:
    """The run's own row; nodes and counters are still those of its beginning."""
    detail = _NO_DETAIL if row.detail is None else decode(row.detail.encode(), RunDetail)
    return Run(
        id=row.id,
        project=row.project,
        plan=plan,
        state=RunState(row.state),
        version=row.version,
        input=row.input.encode(),
        nodes=plan.beginning,
        open_nodes=0,
        active_nodes=0,
        failed_nodes=0,
        output=_bytes(row.output),
        failure=_stored_failure(row.failure),
        cancel_reason=row.cancel_reason,
        traceparent=row.traceparent,
        labels=decode(row.labels.encode(), dict[str, str]),
        priority=row.priority,
        started_by=row.started_by,
        parent=detail.parent,
        pins=detail.pins,
        pause=detail.pause,
        undo=detail.undo,
        source=row.source_run,
        concurrency_key=row.concurrency_key,
    )


def _stored_node(row: NodeRow) -> Node:
    done = row.state in NODE_DONE
    return Node(
        state=NodeState(row.state),
        attempt=row.attempt,
        first_attempt=row.first_attempt,
        iteration=row.iteration,
        token=row.token,
        runner=row.runner,
        publication=row.publication,
        input=_bytes(row.input),
        output=_bytes(row.output),
        output_run=row.output_run,
        previous=_bytes(row.previous),
        answers=_bytes(row.answers),
        failure=_stored_failure(row.failure),
        detail=None if row.detail is None else _details.decode(row.detail),
        completed=row.completed_version or (0 if done else None),  # the former version wrote no place
    )


def _bytes(json: str | None) -> bytes | None:
    return None if json is None else json.encode()


def _stored_failure(json: str | None) -> Failure | None:
    return None if json is None else decode(json.encode(), Failure)


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()


def _failure(failure: Failure | None) -> str | None:
    return None if failure is None else encode(failure.cut()).decode()
