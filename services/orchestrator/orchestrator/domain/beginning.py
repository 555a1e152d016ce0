"""How the work of a unit begins: an offer to runners, a sub-workflow, a question, a wait, or a look into the cache."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from orchestrator.domain.children import start_child, undo_child
from orchestrator.domain.decision import AskCache
from orchestrator.domain.detail import Held, Lookup, Question
from orchestrator.domain.draft import Draft
from orchestrator.domain.items import items_of
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.offering import offer
from orchestrator.domain.plan import PlanNode
from orchestrator.domain.resolve import NO_SCOPE, Scope, node_input, rendered
from orchestrator.domain.suspension import ask_people, begin_wait
from orchestrator.domain.unit import index_of, is_item, is_undo, node_of
from penstock.contracts.timeline import Kind
from penstock.contracts.value import replace
from penstock.contracts.wire import decode, encode
from penstock.contracts.workflow import Json, NodeKind

CACHE_ANSWERS_MAX = timedelta(seconds=2)  # then it is asked again


def start_unit(draft: Draft, name: str) -> None:
    """Begin what the node does, for the node or for one of its items. Raises Unresolvable."""
    planned = draft.plan.planned(name)
    match planned.definition.kind:
        case NodeKind.AGENT:
            input = node_input(draft, planned, scope_of(draft, name))
            if planned.compiled.cache_key is None:
                offer(draft, name, input=input)
            else:
                _ask_cache(draft, name, planned, input)
        case NodeKind.WORKFLOW:
            start_child(draft, name, input=node_input(draft, planned, scope_of(draft, name)))
        case NodeKind.APPROVAL:
            ask_people(draft, name, planned)
        case NodeKind.WAIT:
            begin_wait(draft, name, planned)


def begin_again(draft: Draft, name: str) -> None:
    """The next attempt, with the input of the one before."""
    node, planned = draft.node(name), draft.plan.planned(name)
    if (
        isinstance(node.detail, (Held, Question))
        and planned.compiled.cache_key is not None
        and not is_undo(name)
    ):
        _ask_cache(draft, name, planned, node.input or b"{}")  # somebody may have put it there meanwhile
    elif draft.plan.work(name).agent is not None:
        offer(draft, name, input=node.input)
    elif is_undo(name):
        undo_child(draft, name)
    else:
        assert node.input is not None, "a sub-workflow was started with an input"
        start_child(draft, name, input=node.input)


def scope_of(draft: Draft, name: str) -> Scope:
    """The variables that only this unit's expressions have."""
    repeats = draft.plan.planned(name).definition.repeat is not None
    if not repeats and not is_item(name):
        return NO_SCOPE
    scope: dict[str, Json] = dict(item_scope(draft, name))
    if repeats:
        node = draft.unit(name) or Node()
        scope["iteration"] = node.iteration
        scope["previous"] = {} if node.previous is None else decode(node.previous, object)
    return scope


def item_scope(draft: Draft, name: str) -> Mapping[str, Json]:
    """`item` and `index`, of an item or of what undoes it."""
    index = index_of(name)
    if index is None:
        return NO_SCOPE
    items = draft.node(node_of(name)).input
    assert items is not None, "a node with items keeps their list"
    return {"item": items_of(items)[index], "index": index}


def _ask_cache(draft: Draft, name: str, planned: PlanNode, input: bytes) -> None:
    template, agent = planned.compiled.cache_key, planned.work.agent
    assert template is not None, "only an agent's output is cached"
    assert agent is not None, "only an agent's output is cached"
    value = rendered(draft, template, scope_of(draft, name), key="cache.key")
    # The same key of another node may mean another thing: the agent is told different things there.
    key = sha256(encode((draft.plan.definition.name, node_of(name), value))).hexdigest()
    node = draft.unit(name) or Node()
    asking = replace(
        node,
        state=NodeState.SUSPENDED,
        token=None,
        unresolved=0,
        input=input,
        detail=Lookup(key),
        wake_in=CACHE_ANSWERS_MAX,
        was_reset=False,
    )
    draft.put(name, asking)
    draft.tell_of(Kind.NODE_SUSPENDED, name, node.attempt, code="cache", key=key)
    draft.order(AskCache(name, node.attempt, key, agent))
