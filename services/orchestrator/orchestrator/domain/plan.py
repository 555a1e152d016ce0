"""A workflow version made ready to run: edges in both directions, templates compiled, which nodes begin."""

from collections.abc import Mapping

from orchestrator.domain.node import Node
from orchestrator.domain.nodes import NodeMap
from penstock.contracts import graph
from penstock.contracts.template import Expression, Template, compile_template, condition
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.contracts.workflow import NodeDefinition, OnFailure, WorkflowDefinition


class PlanNode(Value, frozen=True):
    """One node with its neighbours, in the author's order. A node without `with` gets an empty object."""

    definition: NodeDefinition
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]
    condition: Expression | None
    input: Template
    constant_input: bytes | None  # JSON; when the input is the same for every run


class Plan(Value, frozen=True):
    """An immutable, shareable view of one workflow version. `beginning` is what every run's nodes begin as."""

    definition: WorkflowDefinition
    version: int
    nodes: Mapping[str, PlanNode]
    roots: tuple[str, ...]
    output: Template | None
    beginning: NodeMap[Node]

    @property
    def on_failure(self) -> OnFailure:
        return self.definition.on_failure


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
    )


def _plan_node(
    node: NodeDefinition, upstream: tuple[str, ...], downstream: tuple[str, ...], known: frozenset[str]
) -> PlanNode:
    template = compile_template({} if node.with_ is None else node.with_, known)
    return PlanNode(
        definition=node,
        upstream=upstream,
        downstream=downstream,
        condition=None if node.if_ is None else condition(node.if_, known),
        input=template,
        constant_input=encode(template.constant) if template.hole is None else None,
    )
