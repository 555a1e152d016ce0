"""A workflow version made ready to run: edges in both directions, and which nodes begin."""

from collections.abc import Mapping

from penstock.contracts.value import Value
from penstock.contracts.workflow import NodeDefinition, OnFailure, WorkflowDefinition


class PlanNode(Value, frozen=True):
    """One node with its neighbours, in the author's order."""

    definition: NodeDefinition
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]


class Plan(Value, frozen=True):
    """An immutable, shareable view of one workflow version."""

    definition: WorkflowDefinition
    version: int
    nodes: Mapping[str, PlanNode]
    roots: tuple[str, ...]

    @property
    def on_failure(self) -> OnFailure:
        return self.definition.on_failure
