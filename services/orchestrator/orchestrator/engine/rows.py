"""Between the core's values and the store's rows."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from orchestrator.domain.plan import Plan
from orchestrator.domain.rebuild import catch_up, rebuild
from orchestrator.domain.run import Node, NodeState, Run, RunState
from orchestrator.engine.committed import NumberedFact
from orchestrator.store.load import NodeRow, RunRow
from orchestrator.store.save import EventWrite, NodeWrite, RunWrite, deadline_of
from penstock.contracts.failure import Failure
from penstock.contracts.wire import decode, encode


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
        timeout=after.plan.definition.timeout,
    )


def node_write(before: Run, after: Run, name: str, *, lease: timedelta) -> NodeWrite:
    node = before.nodes[name]
    return _node_write(after, name, after.nodes[name], node if node.has_row else None, lease)


def first_writes(run: Run, names: Iterable[str]) -> tuple[NodeWrite, ...]:
    """The rows of a new run."""
    return tuple(_node_write(run, name, run.nodes[name], None, timedelta(0)) for name in names)


def _node_write(run: Run, name: str, node: Node, before: Node | None, lease: timedelta) -> NodeWrite:
    running = node.state is NodeState.RUNNING
    return NodeWrite(
        run_id=run.id,
        name=name,
        state=node.state,
        attempt=node.attempt,
        first_attempt=node.first_attempt,
        token=node.token,
        runner=node.runner,
        publication=node.publication,
        input=_text(node.input) if node.state is NodeState.READY else None,
        output=_text(node.output),
        failure=_failure(node.failure),
        wake_in=lease if running else node.wake_in,
        deadline_in=deadline_of(run.plan.nodes[name].definition.timeout) if running else None,
        attempt_expected=None if before is None else before.attempt,
        token_expected=None if before is None else before.token,
    )


def event_writes(run: UUID, facts: Iterable[NumberedFact]) -> list[EventWrite]:
    return [EventWrite(run, n.seq, n.fact.kind, n.fact.node, n.fact.attempt, n.data.decode()) for n in facts]


def stored_run(plan: Plan, row: RunRow, nodes: Iterable[NodeRow]) -> Run:
    """The run that these rows hold."""
    return rebuild(
        id=row.id,
        project=row.project,
        plan=plan,
        state=RunState(row.state),
        version=row.version,
        input=row.input.encode(),
        nodes={node.name: _stored_node(node) for node in nodes},
        output=_bytes(row.output),
        failure=_stored_failure(row.failure),
        cancel_reason=row.cancel_reason,
        traceparent=row.traceparent,
        labels=decode(row.labels.encode(), dict[str, str]),
    )


def caught_up_run(run: Run, row: RunRow, changed: Iterable[NodeRow]) -> Run:
    """`run` with what these rows say is new."""
    return catch_up(
        run,
        {node.name: _stored_node(node) for node in changed},
        version=row.version,
        state=RunState(row.state),
        output=_bytes(row.output),
        failure=_stored_failure(row.failure),
        cancel_reason=row.cancel_reason,
    )


def _stored_node(row: NodeRow) -> Node:
    return Node(
        state=NodeState(row.state),
        attempt=row.attempt,
        first_attempt=row.first_attempt,
        token=row.token,
        runner=row.runner,
        publication=row.publication,
        input=_bytes(row.input),
        output=_bytes(row.output),
        failure=_stored_failure(row.failure),
    )


def _bytes(json: str | None) -> bytes | None:
    return None if json is None else json.encode()


def _stored_failure(json: str | None) -> Failure | None:
    return None if json is None else decode(json.encode(), Failure)


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()


def _failure(failure: Failure | None) -> str | None:
    return None if failure is None else encode(failure.cut()).decode()
