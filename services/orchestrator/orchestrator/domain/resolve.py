"""Expressions in a run: conditions, inputs and the run's output, evaluated on what has happened so far."""

from collections.abc import Iterator, Mapping

from orchestrator.domain.draft import Draft
from orchestrator.domain.node import Node, NodeState
from orchestrator.domain.plan import PlanNode
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import NODE_INPUT_BYTES_MAX, OUTPUT_BYTES_MAX
from penstock.contracts.template import ExpressionFailed, holds
from penstock.contracts.wire import Undecodable, decode, encode
from penstock.contracts.workflow import Json


class Unresolvable(Exception):
    """An expression failed, or what it gave is too large; `failure` is what the node or the run fails with."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(type=type, message=message, error_class=ErrorClass.VALIDATION).cut()


def condition_holds(draft: Draft, planned: PlanNode) -> bool:
    """What the node's `if` says; a node without one has none to fail."""
    if planned.condition is None:
        return True
    try:
        return holds(planned.condition, draft.evaluate, _Context(draft))
    except ExpressionFailed as error:
        raise Unresolvable("ExpressionFailed", f"if: {error}") from error
    except Undecodable as error:
        raise Unresolvable("OutputUnreadable", f"if: {error}") from error


def node_input(draft: Draft, planned: PlanNode) -> bytes:
    """The node's `with`, rendered, as JSON."""
    if planned.constant_input is not None:
        return planned.constant_input
    try:
        data = encode(planned.input.render(draft.evaluate, _Context(draft)))
    except ExpressionFailed as error:
        raise Unresolvable("ExpressionFailed", f"with: {error}") from error
    except (Undecodable, RecursionError) as error:
        raise Unresolvable("OutputUnreadable", f"with: {error}") from error
    _check_size(data, what="the node's input (its resolved `with`)", bytes_max=NODE_INPUT_BYTES_MAX)
    return data


def run_output(draft: Draft) -> bytes | None:
    """The workflow's `output`, rendered, as JSON; None if it declares none."""
    if draft.plan.output is None:
        return None
    try:
        data = encode(draft.plan.output.render(draft.evaluate, _Context(draft)))
    except ExpressionFailed as error:
        raise Unresolvable("ExpressionFailed", f"output: {error}") from error
    except (Undecodable, RecursionError) as error:
        raise Unresolvable("OutputUnreadable", f"output: {error}") from error
    _check_size(data, what="the run's output", bytes_max=OUTPUT_BYTES_MAX)
    return data


def _check_size(data: bytes, *, what: str, bytes_max: int) -> None:
    if len(data) > bytes_max:
        message = (
            f"{what} has {len(data)} bytes, the limit is {bytes_max}: hand over large values as artifacts"
        )
        raise Unresolvable("TooLarge", message)


class _Context(Mapping[str, Json]):
    """The variables of an expression. Decodes nothing that the expression does not ask for."""

    __slots__ = ("_draft",)
    _NAMES = ("inputs", "nodes", "run")

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def __getitem__(self, name: str) -> Json:
        if name == "nodes":
            return _Nodes(self._draft)
        if name == "inputs":
            return _decoded(self._draft, "", self._draft.run.input)
        if name == "run":
            return _about_run(self._draft)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(self._NAMES)

    def __len__(self) -> int:
        return len(self._NAMES)


class _Nodes(Mapping[str, Json]):
    """Node name → {"state", "output"}. What did not succeed has the output {}, so that expressions can ask."""

    __slots__ = ("_draft",)

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def __getitem__(self, name: str) -> Json:
        node: Node = self._draft.node(name)
        if node.state is not NodeState.SUCCEEDED:
            return {"state": node.state.value, "output": {}}
        assert node.output is not None, "a node succeeded without an output"
        return {"state": "succeeded", "output": _decoded(self._draft, name, node.output)}

    def __contains__(self, name: object) -> bool:
        return name in self._draft.plan.nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._draft.plan.nodes)

    def __len__(self) -> int:
        return len(self._draft.plan.nodes)


def _about_run(draft: Draft) -> Json:
    return {
        "id": str(draft.run.id),
        "project": draft.run.project,
        "workflow": draft.plan.definition.name,
        "version": draft.plan.version,
    }


def _decoded(draft: Draft, name: str, data: bytes) -> Json:
    """JSON decoded once in a decision; the empty name stands for the run's input."""
    try:
        return draft.decoded[name]
    except KeyError:
        value = draft.decoded[name] = decode(data, object)
        return value
