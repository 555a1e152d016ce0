"""Sub-workflows: a unit that waits for a run of its own. The engine starts, cancels and undoes that run."""

from datetime import timedelta

from orchestrator.domain.decision import CompensateChild, StartChild
from orchestrator.domain.detail import Child
from orchestrator.domain.draft import Draft
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.run import RunState
from orchestrator.domain.unit import undone_by
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace

CHILD_LOOKED_AT = timedelta(
    seconds=30
)  # how often a parent makes sure that its child was started and has not ended


def start_child(draft: Draft, name: str, *, input: bytes) -> None:
    planned = draft.plan.planned(name)
    definition, workflow = planned.definition, planned.definition.workflow
    assert workflow is not None, "a node of kind workflow names one"
    version = definition.workflow_version or draft.run.pins.get(workflow, 0)
    node = draft.unit(name) or Node()
    if draft.state is RunState.PAUSED:
        _hold(draft, name, node, input)
        return
    started = replace(
        node,
        state=NodeState.RUNNING,
        attempt=node.attempt + (node.state is not NodeState.READY),
        token=None,
        unresolved=0,
        input=input,
        detail=Child(workflow, version),
        wake_in=CHILD_LOOKED_AT,
        deadline_in=planned.work.timeout,
        was_reset=False,
    )
    draft.put(name, started)
    draft.tell_of(Kind.NODE_STARTED, name, started.attempt, workflow=workflow, version=version)
    draft.order(StartChild(name, started.attempt, workflow, version, input))


def _hold(draft: Draft, name: str, node: Node, input: bytes) -> None:
    """A paused run starts no other run: the attempt is ready, without a timer, until it goes on."""
    held = replace(
        node,
        state=NodeState.READY,
        attempt=node.attempt + 1,
        token=None,
        publication=1,
        input=input,
        detail=None,
        wake_in=None,
        deadline_in=None,
    )
    draft.put(name, held)
    draft.tell_of(Kind.NODE_READY, name, held.attempt, publication=held.publication, paused=True)


def undo_child(draft: Draft, undo: str) -> None:
    """Have the run undone that the unit had started."""
    child = draft.node(undone_by(undo)).detail
    assert isinstance(child, Child), "a sub-workflow that succeeded has a run"
    assert child.run is not None, "a sub-workflow that succeeded has a run"
    node = draft.unit(undo) or Node()
    started = replace(
        node,
        state=NodeState.RUNNING,
        attempt=node.attempt + 1,
        input=b"{}",
        detail=child,
        wake_in=CHILD_LOOKED_AT,
        was_reset=False,
    )
    draft.put(undo, started)
    draft.tell_of(Kind.NODE_STARTED, undo, started.attempt, run=str(child.run))
    draft.order(CompensateChild(undo, child.run, f"the run that it is a part of is undone: {draft.run.id}"))
