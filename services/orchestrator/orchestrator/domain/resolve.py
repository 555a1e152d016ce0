"""Expressions in a run: conditions, inputs and the run's output, evaluated on what has happened so far."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from orchestrator.domain.decoded import decoded
from orchestrator.domain.draft import Draft
from orchestrator.domain.node import NODE_DONE, Node
from orchestrator.domain.plan import PlanNode
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import NODE_INPUT_BYTES_MAX, OUTPUT_BYTES_MAX
from penstock.contracts.template import Expression, ExpressionFailed, Template, holds
from penstock.contracts.wire import Undecodable, encode
from penstock.contracts.workflow import Json


class Unresolvable(Exception):
    """An expression failed, or what it gave is too large; `failure` is what the node or the run fails with."""

    def __init__(self, type: str, message: str, error_class: ErrorClass = ErrorClass.VALIDATION) -> None:
        super().__init__(message)
        self.failure = Failure(type=type, message=message, error_class=error_class).cut()


Scope: TypeAlias = Mapping[str, Json]
"""Variables that only some places have: `item`, `index`, `iteration`, `previous`, `input`, `output`, `event`."""

NO_SCOPE: Scope = {}


def condition_holds(draft: Draft, planned: PlanNode) -> bool:
    """What the node's `if` says; a node without one has none to fail."""
    return planned.condition is None or is_true(draft, planned.condition, NO_SCOPE, what="if")


def is_true(draft: Draft, expression: Expression, scope: Scope, *, what: str) -> bool:
    """What a condition says; `what` names its key in the definition."""
    with _Told(what):
        return holds(expression, draft.evaluate, _Context(draft, scope))


def node_input(draft: Draft, planned: PlanNode, scope: Scope = NO_SCOPE) -> bytes:
    """The node's `with`, rendered, as JSON."""
    if planned.constant_input is not None:
        return planned.constant_input
    what = "the node's input (its resolved `with`)"
    return _rendered_bytes(draft, planned.input, scope, key="with", what=what, bytes_max=NODE_INPUT_BYTES_MAX)


def undo_input(draft: Draft, planned: PlanNode, scope: Scope) -> bytes:
    """The input of what undoes a node: its own `with`, or the node's input and output."""
    if planned.undo_input is None:
        data = encode({"input": scope["input"], "output": scope["output"]})
        _check_size(data, what="the node's input and output", bytes_max=2 * NODE_INPUT_BYTES_MAX)
        return data
    what = "the input of `compensate`"
    return _rendered_bytes(
        draft, planned.undo_input, scope, key="compensate.with", what=what, bytes_max=NODE_INPUT_BYTES_MAX
    )


def run_output(draft: Draft) -> bytes | None:
    """The workflow's `output`, rendered, as JSON; None if it declares none."""
    if draft.plan.output is None:
        return None
    return _rendered_bytes(
        draft,
        draft.plan.output,
        NO_SCOPE,
        key="output",
        what="the run's output",
        bytes_max=OUTPUT_BYTES_MAX,
    )


def rendered(draft: Draft, template: Template, scope: Scope = NO_SCOPE, *, key: str) -> Json:
    """The template with its expressions evaluated; `key` names it in the definition."""
    with _Told(key):
        return template.render(draft.evaluate, _Context(draft, scope))


def _rendered_bytes(
    draft: Draft, template: Template, scope: Scope, *, key: str, what: str, bytes_max: int
) -> bytes:
    with _Told(key):
        data = encode(template.render(draft.evaluate, _Context(draft, scope)))
    _check_size(data, what=what, bytes_max=bytes_max)
    return data


class _Told:
    """Whatever an expression dies of becomes Unresolvable, and names the key of the definition."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        """Nothing to prepare: a class because a generator would cost three times as much on the hot path."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ExpressionFailed):
            raise Unresolvable("ExpressionFailed", f"{self._key}: {error}") from error
        if isinstance(error, (Undecodable, RecursionError)):
            raise Unresolvable("OutputUnreadable", f"{self._key}: {error}") from error


def _check_size(data: bytes, *, what: str, bytes_max: int) -> None:
    if len(data) > bytes_max:
        message = (
            f"{what} has {len(data)} bytes, the limit is {bytes_max}: hand over large values as artifacts"
        )
        raise Unresolvable("TooLarge", message)


class _Context(Mapping[str, Json]):
    """The variables of an expression. Decodes nothing that the expression does not ask for."""

    __slots__ = ("_draft", "_scope")
    _NAMES = ("inputs", "nodes", "run")

    def __init__(self, draft: Draft, scope: Scope) -> None:
        self._draft = draft
        self._scope = scope

    def __getitem__(self, name: str) -> Json:
        if name in self._scope:
            return self._scope[name]
        if name == "nodes":
            return _Nodes(self._draft)
        if name == "inputs":
            return _decoded(self._draft, "", self._draft.run.input)
        if name == "run":
            return _about_run(self._draft)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._NAMES or name in self._scope

    def __iter__(self) -> Iterator[str]:
        return iter((*self._NAMES, *self._scope))

    def __len__(self) -> int:
        return len(self._NAMES) + len(self._scope)


class _Nodes(Mapping[str, Json]):
    """Node name → {"state", "output"}. What did not succeed has the output {}, so that expressions can ask."""

    __slots__ = ("_draft",)

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def __getitem__(self, name: str) -> Json:
        node: Node = self._draft.node(name)
        if node.state not in NODE_DONE:
            return {"state": node.state.value, "output": {}}
        assert node.output is not None, "a node succeeded without an output"
        return {"state": node.state.value, "output": _decoded(self._draft, name, node.output)}

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
        value = draft.decoded[name] = decoded(data)
        return value
