"""Offering an attempt to the runners of its pool."""

from orchestrator.domain.decision import PublishReady
from orchestrator.domain.detail import Detail, Lookup
from orchestrator.domain.draft import Draft
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.run import RunState
from penstock.contracts.limits import READY_UNCLAIMED_MAX
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace


def offer(draft: Draft, name: str, *, input: bytes | None) -> None:
    """Make the unit ready for its next attempt and offer it to the runners."""
    node = draft.unit(name) or Node()
    ready = replace(
        node,
        state=NodeState.READY,
        attempt=node.attempt + 1,
        token=None,
        unresolved=0,
        publication=1,
        input=input,
        detail=_kept(node.detail),
        deadline_in=None,
        was_reset=False,
    )
    publish(draft, name, ready)


def publish(draft: Draft, name: str, ready: Node) -> None:
    """Put the ready unit on the bus; in a paused run it waits, without a timer, for the run to go on."""
    if draft.state is RunState.PAUSED:
        draft.put(name, replace(ready, wake_in=None))
        draft.tell_of(Kind.NODE_READY, name, ready.attempt, publication=ready.publication, paused=True)
        return
    draft.put(name, replace(ready, wake_in=READY_UNCLAIMED_MAX))
    draft.tell_of(Kind.NODE_READY, name, ready.attempt, publication=ready.publication)
    draft.order(PublishReady(node=name, attempt=ready.attempt, publication=ready.publication))


def _kept(detail: Detail | None) -> Detail | None:
    """A key of the cache is needed until the output is there; what the unit waited for is over."""
    return detail if isinstance(detail, Lookup) else None
