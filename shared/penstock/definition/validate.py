"""What a definition means: its nodes know each other, its expressions compile, its graph can be run."""

from penstock.contracts import graph
from penstock.contracts.expression import Expression
from penstock.contracts.template import OPENING, TemplateError, split, strings
from penstock.contracts.workflow import Json, NodeDefinition, WorkflowDefinition
from penstock.definition.document import Path
from penstock.definition.expressions import Expressions
from penstock.definition.inputs import Inputs
from penstock.definition.program import NotCompiled
from penstock.definition.report import Report

CYCLES_MAX = 10  # enough to mend; a tangle of 5,000 nodes has more than anybody reads

NODE_MEMBERS = ("state", "output")
RUN_MEMBERS = ("id", "project", "workflow", "version")


def validate(workflow: WorkflowDefinition, report: Report, expressions: Expressions) -> None:
    """Report everything that is wrong with what `workflow` means."""
    _Validation(workflow, report, expressions).run()


class _Validation:
    """One pass over a workflow; collects its edges on the way."""

    def __init__(self, workflow: WorkflowDefinition, report: Report, expressions: Expressions) -> None:
        self._workflow = workflow
        self._report = report
        self._expressions = expressions
        self._known = {node.name: None for node in workflow.nodes}
        self._inputs = Inputs(workflow.inputs, report)
        self._needed: dict[str, None] = {}  # by the node that is looked at

    def run(self) -> None:
        self._inputs.check_schema()
        edges: dict[str, tuple[str, ...]] = {}
        for node in self._workflow.nodes:
            self._needed = {}
            self._check_node(node)
            edges[node.name] = tuple(self._needed)
        self._check_texts(("output",), self._workflow.output, node=None)
        self._check_graph(edges)
        self._inputs.warn_of_unused()

    def _check_node(self, node: NodeDefinition) -> None:
        path: Path = ("nodes", node.name)
        for index, name in enumerate(node.needs):
            self._check_reference((*path, "needs", index), name, node.name)
        if node.if_ is not None:
            self._check_condition((*path, "if"), node)
        self._check_texts((*path, "with"), node.with_, node=node.name)
        if node.timeout > self._workflow.timeout:
            message = "the node may take longer than the whole run, whose timeout ends it first"
            if self._has_own_timeout(node):
                self._report.warning((*path, "timeout"), message)

    def _has_own_timeout(self, node: NodeDefinition) -> bool:
        """Whether the author wrote it; a default that is cut by the run's timeout is no surprise."""
        return node.timeout != NodeDefinition(name="", agent="").timeout

    def _check_reference(self, path: Path, name: str, node: str | None) -> None:
        """Note an edge to `name`, or say what is wrong with it."""
        if name == node:
            self._report.error(path, f"node '{name}' can't need itself")
        elif name in self._known:
            self._needed[name] = None
        else:
            self._report.unknown(path, "node", name, self._known)

    def _check_condition(self, path: Path, node: NodeDefinition) -> None:
        text = node.if_ or ""
        parts = self._parts(path, text)
        if parts is None:
            return
        if len(parts) != 1 or not isinstance(parts[0], Expression):
            hint = f": write ${{{{ {text} }}}}" if OPENING not in text and text else ""
            self._report.error(path, f"an `if` is exactly one expression{hint}")
        else:
            result = self._check_expression(path, parts[0], node.name)
            if result not in ("bool", "dyn", None):
                self._report.error(path, f"an `if` gives true or false; {parts[0].source} gives {result}")

    def _check_texts(self, path: Path, value: Json, *, node: str | None) -> None:
        for keys, text in strings(value):
            if OPENING in text:
                for part in self._parts((*path, *keys), text) or ():
                    if isinstance(part, Expression):
                        self._check_expression((*path, *keys), part, node)

    def _parts(self, path: Path, text: str) -> tuple[object, ...] | None:
        try:
            return split(text, self._known)
        except TemplateError as error:
            self._report.error(path, str(error))
            return None

    def _check_expression(self, path: Path, expression: Expression, node: str | None) -> str | None:
        """The type of the expression's result, or None if it has none; notes the nodes that it needs."""
        for name in expression.nodes:
            self._check_reference(path, name, node)
        for read in expression.paths:
            self._check_members(path, read)
        try:
            return self._expressions.result_type(expression.cel)
        except NotCompiled as error:
            for reason in error.reasons:
                self._report.error(path, f"in {expression.source}: {reason}")
        return None

    def _check_members(self, path: Path, read: tuple[str, ...]) -> None:
        variable, *keys = read
        if variable == "inputs":
            self._inputs.use(path, tuple(keys))
        elif variable == "nodes" and len(keys) > 1 and keys[1] not in NODE_MEMBERS:
            self._report.unknown(path, f"member of node '{keys[0]}'", keys[1], NODE_MEMBERS)
        elif variable == "run" and keys and keys[0] not in RUN_MEMBERS:
            self._report.unknown(path, "member of run", keys[0], RUN_MEMBERS)

    def _check_graph(self, edges: dict[str, tuple[str, ...]]) -> None:
        cycles = graph.find_cycles(edges, cycles_max=CYCLES_MAX)
        for cycle in cycles:
            self._report.error(("nodes", cycle[0]), f"a cycle: {' → '.join(_shortened(cycle))}")
        on_cycles = {name for cycle in cycles for name in cycle}
        for name in graph.unreachable(edges):
            if name not in on_cycles:
                self._report.warning(("nodes", name), f"node '{name}' can never run: it waits for a cycle")


def _shortened(cycle: tuple[str, ...]) -> tuple[str, ...]:
    """A cycle of thousands of nodes, as its ends."""
    return cycle if len(cycle) <= 20 else (*cycle[:10], f"… {len(cycle) - 19} more …", *cycle[-9:])
