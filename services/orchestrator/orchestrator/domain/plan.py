"""A workflow version made ready to run: edges in both directions, templates compiled, which nodes begin."""

from collections.abc import Mapping
from datetime import timedelta

from orchestrator.domain.node import Node
from orchestrator.domain.nodes import NodeMap
from orchestrator.domain.unit import is_undo, node_of
from penstock.contracts import graph
from penstock.contracts.template import Expression, Template, compile_template, condition
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.contracts.workflow import (
    Json,
    NodeDefinition,
    NodeKind,
    OnFailure,
    RetryProfile,
    WorkflowDefinition,
)


class Work(Value, frozen=True):
    """What an attempt of a unit is: which agent it runs where, for how long, and how often. None: no agent."""

    agent: str | None
    pool: str
    timeout: timedelta
    retry: RetryProfile


class Compiled(Value, frozen=True):
    """The expressions that only some nodes have."""

    items: Template | None = None  # `foreach`
    until: Expression | None = None  # `repeat`
    cache_key: Template | None = None
    event_if: Expression | None = None
    moment: Template | None = None  # `wait: duration` or `until`
    message: Template | None = None  # `approval`


class PlanNode(Value, frozen=True):
    """One node with its neighbours, in the author's order. A node without `with` gets an empty object."""

    definition: NodeDefinition
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]
    condition: Expression | None
    input: Template
    constant_input: bytes | None  # JSON; when the input is the same for every run and item
    work: Work
    compiled: Compiled = Compiled()
    undo: Work | None = None
    undo_input: Template | None = None

    @property
    def can_be_undone(self) -> bool:
        """By an agent of its own, or as a sub-workflow by what its nodes declare."""
        return self.undo is not None or self.definition.kind is NodeKind.WORKFLOW


class Plan(Value, frozen=True):
    """An immutable, shareable view of one workflow version. `beginning` is what every run's nodes begin as."""

    definition: WorkflowDefinition
    version: int
    nodes: Mapping[str, PlanNode]
    roots: tuple[str, ...]
    output: Template | None
    beginning: NodeMap[Node]
    concurrency_key: Template | None = None
    has_breakers: bool = False

    @property
    def on_failure(self) -> OnFailure:
        return self.definition.on_failure

    def planned(self, unit: str) -> PlanNode:
        """The node that the unit is, or is a part of."""
        return self.nodes.get(unit) or self.nodes[node_of(unit)]

    def work(self, unit: str) -> Work:
        """What an attempt of this unit does."""
        known = self.nodes.get(unit)
        if known is not None:
            return known.work
        planned = self.nodes[node_of(unit)]
        return planned.undo or _NO_WORK if is_undo(unit) else planned.work


_ONCE = RetryProfile(1, timedelta(0), timedelta(0), 1.0, 0.0)
_NO_WORK = Work(agent=None, pool="", timeout=timedelta(days=30), retry=_ONCE)


def sub_workflows(definition: WorkflowDefinition) -> tuple[str, ...]:
    """The workflows whose latest version the nodes mean; a pinned one needs no looking up."""
    names = (node.workflow for node in definition.nodes if node.workflow_version is None)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def make_plan(definition: WorkflowDefinition, *, version: int) -> Plan:
    """The plan of a definition that has passed validation. O(nodes + edges); share it between runs."""
    upstream_of = graph.edges(definition)
    assert definition.nodes, "a workflow without nodes passed the validation"
    assert not graph.unreachable(upstream_of), "a workflow with a cycle passed the validation"
    downstream_of = graph.downstream(upstream_of)
    known = frozenset(upstream_of)
    return Plan(
        definition=definition,
        version=version,
        nodes={
            node.name: _plan_node(node, upstream_of[node.name], downstream_of[node.name], known)
            for node in definition.nodes
        },
        roots=tuple(name for name, needs in upstream_of.items() if not needs),
        output=None if definition.output is None else compile_template(definition.output, known),
        beginning=NodeMap({name: Node(unresolved=len(needs)) for name, needs in upstream_of.items()}),
        concurrency_key=_template(definition.concurrency.key, known) if definition.concurrency else None,
        has_breakers=any(node.breaker is not None or node.depends_on for node in definition.nodes),
    )


def _plan_node(
    node: NodeDefinition, upstream: tuple[str, ...], downstream: tuple[str, ...], known: frozenset[str]
) -> PlanNode:
    template = compile_template({} if node.with_ is None else node.with_, known)
    undo = node.compensate
    return PlanNode(
        definition=node,
        upstream=upstream,
        downstream=downstream,
        condition=_condition(node.if_, known),
        input=template,
        constant_input=encode(template.constant) if template.hole is None else None,
        work=Work(node.agent, node.pool, node.timeout, node.retry),
        compiled=_compiled(node, known),
        undo=None if undo is None else Work(undo.agent, undo.pool, undo.timeout, undo.retry),
        undo_input=None if undo is None else _template(undo.with_, known),
    )


def _compiled(node: NodeDefinition, known: frozenset[str]) -> Compiled:
    if not (node.foreach or node.repeat or node.cache or node.wait or node.approval):
        return _NOTHING
    wait = node.wait
    return Compiled(
        items=None if node.foreach is None else _template(node.foreach.items, known),
        until=None if node.repeat is None else _condition(node.repeat.until, known),
        cache_key=None if node.cache is None else _template(node.cache.key, known),
        event_if=None if wait is None or wait.event is None else _condition(wait.event.if_, known),
        moment=None if wait is None else _moment(wait.until or wait.duration, known),
        message=None if node.approval is None else _template(node.approval.message, known),
    )


_NOTHING = Compiled()


def _condition(text: str | None, known: frozenset[str]) -> Expression | None:
    return None if text is None else condition(text, known)


def _template(value: Json, known: frozenset[str]) -> Template | None:
    return None if value is None else compile_template(value, known)


def _moment(value: timedelta | str | None, known: frozenset[str]) -> Template | None:
    return compile_template(value, known) if isinstance(value, str) else None
