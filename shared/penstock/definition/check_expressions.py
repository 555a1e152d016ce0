"""Checks the expressions of a place: they compile, speak of what is there, and give what the place wants."""

from collections.abc import Collection

from penstock.contracts.expression import Expression
from penstock.contracts.template import OPENING, Part, TemplateError, split, strings
from penstock.contracts.workflow import Json
from penstock.definition.document import Path
from penstock.definition.expressions import Expressions
from penstock.definition.inputs import Inputs
from penstock.definition.places import MEMBERS, NODE_MEMBERS, Place, Result
from penstock.definition.program import NotCompiled
from penstock.definition.report import Report


class ExpressionCheck:
    """Each check answers with the nodes that the place names, each once: those that there are."""

    def __init__(
        self, known: Collection[str], inputs: Inputs, report: Report, expressions: Expressions
    ) -> None:
        self._known = known
        self._inputs = inputs
        self._report = report
        self._expressions = expressions

    def value(self, place: Place, value: Json) -> tuple[str, ...]:
        """A JSON value whose strings may hold expressions, of any type."""
        named: dict[str, None] = {}
        for keys, text in strings(value):
            if OPENING in text:
                path = (*place.path, *keys)
                for part in self._parts(path, text) or ():
                    if isinstance(part, Expression):
                        self._expression(path, place, part)
                        named.update(dict.fromkeys(self._names(path, place, part)))
        return tuple(named)

    def single(self, place: Place, text: str, wanted: Result) -> tuple[str, ...]:
        """A text that must be one expression, which gives what is `wanted`."""
        parts = self._parts(place.path, text)
        if parts is None:
            return ()
        if len(parts) != 1 or not isinstance(parts[0], Expression):
            hint = f": write ${{{{ {text} }}}}" if OPENING not in text and text else ""
            self._report.error(place.path, f"{wanted.place} is exactly one expression{hint}")
            return ()
        names = self._names(place.path, place, parts[0])
        self._expect(place, parts[0], wanted)
        return names

    def text(self, place: Place, text: str, wanted: Result) -> tuple[str, ...]:
        """A text with expressions in it; if it is nothing but one, that gives what is `wanted`."""
        parts = self._parts(place.path, text) or ()
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return self.single(place, text, wanted)
        return self.value(place, text)

    def reference(self, path: Path, name: str, node: str | None) -> bool:
        """Whether there is a node `name` other than `node`; if not, that is told."""
        if name == node:
            self._report.error(path, f"node '{name}' can't need itself")
        elif name not in self._known:
            self._report.unknown(path, "node", name, self._known)
        return name != node and name in self._known

    def _parts(self, path: Path, text: str) -> tuple[Part, ...] | None:
        try:
            return split(text, self._known)
        except TemplateError as error:
            self._report.error(path, str(error))
            return None

    def _names(self, path: Path, place: Place, expression: Expression) -> tuple[str, ...]:
        if "nodes" not in place.variables:
            return ()  # which the compiler tells
        itself = None if place.may_name_itself else place.node
        return tuple(name for name in expression.nodes if self.reference(path, name, itself))

    def _expect(self, place: Place, expression: Expression, wanted: Result) -> None:
        result = self._expression(place.path, place, expression)
        if result is None or result.partition("<")[0] in ("dyn", *wanted.types):
            return
        message = f"{wanted.place} gives {wanted.words}; {expression.source} gives {result}"
        self._report.error(place.path, message)

    def _expression(self, path: Path, place: Place, expression: Expression) -> str | None:
        """The type of the expression's result, or None if it has none."""
        for read in expression.paths:
            if read[0] in place.variables:
                self._check_members(path, read)
        try:
            return self._expressions.result_type(expression.cel, place.variables)
        except NotCompiled as error:
            for reason in error.reasons:
                self._report.error(path, f"in {expression.source}: {reason}")
        return None

    def _check_members(self, path: Path, read: tuple[str, ...]) -> None:
        variable, *keys = read
        members = MEMBERS.get(variable)
        if variable == "inputs":
            self._inputs.use(path, tuple(keys))
        elif variable == "nodes" and len(keys) > 1 and keys[1] not in NODE_MEMBERS:
            self._report.unknown(path, f"member of node '{keys[0]}'", keys[1], NODE_MEMBERS)
        elif members is not None and keys and keys[0] not in members:
            self._report.unknown(path, f"member of {variable}", keys[0], members)
