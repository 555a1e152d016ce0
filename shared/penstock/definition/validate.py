"""What a definition means: its nodes know each other, its expressions compile, its graph can be run."""

from datetime import timedelta

from penstock.contracts import graph
from penstock.contracts.limits import NODE_TIMEOUT_DEFAULT, RUN_TIMEOUT_MAX
from penstock.contracts.template import OPENING
from penstock.contracts.workflow import (
    NodeDefinition,
    NodeKind,
    OnFailure,
    WaitDefinition,
    WorkflowDefinition,
)
from penstock.definition import places
from penstock.definition.check_expressions import ExpressionCheck
from penstock.definition.document import Path
from penstock.definition.expressions import Expressions
from penstock.definition.inputs import Inputs
from penstock.definition.places import Place
from penstock.definition.report import Report
from penstock.definition.schemas import schema_problems
from penstock.definition.validate_triggers import validate_trigger

CYCLES_MAX = 10  # enough to mend; a tangle of 5,000 nodes has more than anybody reads


def validate(workflow: WorkflowDefinition, report: Report, expressions: Expressions) -> None:
    """Report everything that is wrong with what `workflow` means."""
    _Validation(workflow, report, expressions).run()


class _Validation:
    """One pass over a workflow; collects its edges on the way."""

    def __init__(self, workflow: WorkflowDefinition, report: Report, expressions: Expressions) -> None:
        self._workflow = workflow
        self._report = report
        self._inputs = Inputs(workflow.inputs, report)
        known = {node.name: None for node in workflow.nodes}
        self._check = ExpressionCheck(known, self._inputs, report, expressions)
        self._spoken_of: dict[str, tuple[str, ...]] = {}  # by what undoes a node; no edges

    def run(self) -> None:
        self._inputs.check_schema()
        edges = {node.name: self._check_node(node) for node in self._workflow.nodes}
        self._check.value(Place(path=("output",)), self._workflow.output)
        self._check_rest_of_workflow()
        if self._check_graph(edges):
            self._check_what_undoing_speaks_of(edges)
        self._inputs.warn_of_unused()

    def _check_node(self, node: NodeDefinition) -> tuple[str, ...]:
        """The nodes that `node` waits for."""
        path: Path = ("nodes", node.name)
        needed = dict.fromkeys(
            name
            for index, name in enumerate(node.needs)
            if self._check.reference((*path, "needs", index), name, node.name)
        )
        if node.if_ is not None:
            needed |= dict.fromkeys(self._check.single(places.of_node(node, "if"), node.if_, places.IF))
        needed |= dict.fromkeys(self._check.value(places.of_input(node, "with"), node.with_))
        needed |= dict.fromkeys(self._check_shape(node))
        needed |= dict.fromkeys(self._check_waiting(node))
        if node.compensate is not None:
            place = places.of_compensation(node)
            self._spoken_of[node.name] = self._check.value(place, node.compensate.with_)
        default = RUN_TIMEOUT_MAX if node.kind is NodeKind.WORKFLOW else NODE_TIMEOUT_DEFAULT
        if node.timeout != default:  # one that nobody wrote is no surprise when it is cut
            self._warn_if_longer_than_run((*path, "timeout"), node.timeout, "the node may take")
        return tuple(needed)

    def _check_shape(self, node: NodeDefinition) -> tuple[str, ...]:
        named: tuple[str, ...] = ()
        if node.foreach is not None:
            place, items = places.of_node(node, "foreach"), node.foreach.items
            is_text = isinstance(items, str)
            named += (
                self._check.single(place, items, places.FOREACH)
                if is_text
                else self._check.value(place, items)
            )
        if node.repeat is not None:
            named += self._check.single(places.of_until(node), node.repeat.until, places.UNTIL)
        if node.cache is not None:
            place = places.of_input(node, "cache", "key")
            named += self._check.value(place, node.cache.key)
            if node.cache.key and OPENING not in node.cache.key:
                message = "the key is the same for every run: without ${{ expressions }} all share one output"
                self._report.warning(place.path, message)
        return named

    def _check_waiting(self, node: NodeDefinition) -> tuple[str, ...]:
        named: tuple[str, ...] = ()
        if node.approval is not None:
            path: Path = ("nodes", node.name, "approval")
            named += self._check.value(places.of_node(node, "approval", "message"), node.approval.message)
            self._check_form((*path, "form"), node.approval.form)
            if node.approval.timeout is not None:
                self._warn_if_longer_than_run(
                    (*path, "timeout"), node.approval.timeout, "the answer may take"
                )
        if node.wait is not None:
            named += self._check_wait(node, node.wait)
        return named

    def _check_wait(self, node: NodeDefinition, wait: WaitDefinition) -> tuple[str, ...]:
        path: Path = ("nodes", node.name, "wait")
        for key, duration in (("duration", wait.duration), ("timeout", wait.timeout)):
            if isinstance(duration, timedelta):
                self._warn_if_longer_than_run((*path, key), duration, "the wait may take")
        if isinstance(wait.duration, str):
            return self._check.text(places.of_node(node, "wait", "duration"), wait.duration, places.DURATION)
        if wait.until is not None:
            return self._check.text(places.of_node(node, "wait", "until"), wait.until, places.MOMENT)
        if wait.event is not None and wait.event.if_ is not None:
            place = places.of_node(node, "wait", "event", "if", also=("event",))
            return self._check.single(place, wait.event.if_, places.IF)
        return ()

    def _check_form(self, path: Path, form: object) -> None:
        problems = () if form is None else schema_problems(form)
        for keys, message in problems:
            self._report.error((*path, *keys), message)
        if not problems and isinstance(form, dict) and form.get("type", "object") != "object":
            self._report.error((*path, "type"), "a form is an object of fields: expected type: object")

    def _warn_if_longer_than_run(self, path: Path, duration: timedelta, what: str) -> None:
        if duration > self._workflow.timeout:
            self._report.warning(path, f"{what} longer than the whole run, whose timeout ends it first")

    def _check_rest_of_workflow(self) -> None:
        workflow = self._workflow
        if workflow.concurrency is not None:
            place = Place(path=("concurrency", "key"), variables=("inputs", "run"))
            self._check.value(place, workflow.concurrency.key)
        for index, trigger in enumerate(workflow.triggers):
            validate_trigger(index, trigger, check=self._check, inputs=self._inputs, report=self._report)
        undoes = any(node.compensate is not None or node.workflow is not None for node in workflow.nodes)
        if workflow.on_failure is OnFailure.COMPENSATE and not undoes:
            message = "there is nothing to undo: no node has `compensate`, and none is a sub-workflow"
            self._report.warning(("on_failure",), message)

    def _check_graph(self, edges: dict[str, tuple[str, ...]]) -> bool:
        """Whether every node can be reached."""
        cycles = graph.find_cycles(edges, cycles_max=CYCLES_MAX)
        for cycle in cycles:
            self._report.error(("nodes", cycle[0]), f"a cycle: {' → '.join(_shortened(cycle))}")
        on_cycles = {name for cycle in cycles for name in cycle}
        for name in graph.unreachable(edges):
            if name not in on_cycles:
                self._report.warning(("nodes", name), f"node '{name}' can never run: it waits for a cycle")
        return not cycles

    def _check_what_undoing_speaks_of(self, edges: dict[str, tuple[str, ...]]) -> None:
        """Only what surely ended before the node: of anything else undoing would see one state or another."""
        others = {node: [name for name in names if name != node] for node, names in self._spoken_of.items()}
        if not any(others.values()):
            return
        before = _Before(edges)
        for node, names in others.items():
            for name in names:
                if not before.holds(name, node):
                    message = (
                        f"node '{node}' does not need '{name}', which may not have ended; add it to needs"
                    )
                    self._report.error(("nodes", node, "compensate", "with"), message)


class _Before:
    """The nodes that surely ended before each one, as bits of a number: for 5,000 nodes 3 MB, and no time."""

    def __init__(self, edges: dict[str, tuple[str, ...]]) -> None:
        self._bits = {name: 1 << place for place, name in enumerate(edges)}
        self._before: dict[str, int] = {}
        for name in graph.topological_order(edges):
            bits = 0
            for needed in edges[name]:
                bits |= self._before[needed] | self._bits[needed]
            self._before[name] = bits

    def holds(self, earlier: str, later: str) -> bool:
        return bool(self._before[later] & self._bits[earlier])


def _shortened(cycle: tuple[str, ...]) -> tuple[str, ...]:
    """A cycle of thousands of nodes, as its ends."""
    return cycle if len(cycle) <= 20 else (*cycle[:10], f"… {len(cycle) - 19} more …", *cycle[-9:])
