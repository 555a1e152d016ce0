"""The `inputs` of a workflow: its schema is one, and expressions use what it declares."""

from penstock.contracts.errors import Problem
from penstock.contracts.workflow import Json
from penstock.definition.document import Path
from penstock.definition.report import Report
from penstock.definition.schemas import schema_problems
from penstock.definition.values import check_value, with_defaults


class Inputs:
    """Knows the declared properties, and which of them expressions have used."""

    def __init__(self, schema: Json, report: Report) -> None:
        self._schema = schema
        self._report = report
        properties = schema.get("properties") if isinstance(schema, dict) else None
        self._declared: tuple[str, ...] = tuple(properties) if isinstance(properties, dict) else ()
        self._used: set[str] = set()
        self._is_schema = True

    def check_schema(self) -> None:
        if self._schema is None:
            return
        for path, message in schema_problems(self._schema):
            self._report.error(("inputs", *path), message)
            self._is_schema = False
        if isinstance(self._schema, dict) and self._schema.get("type", "object") != "object":
            self._report.error(("inputs", "type"), "the input of a run is an object: expected type: object")

    def use(self, path: Path, keys: tuple[str, ...]) -> None:
        """An expression at `path` reads the input at `keys`; without keys, all of it."""
        if not keys:
            self._used.update(self._declared)
            return
        name = keys[0]
        self._used.add(name)
        if self._declared and name not in self._declared:
            message = f"inputs has no property '{name}'{self._report.hint(name, self._declared)}"
            if self._is_closed():
                self._report.error(path, message)
            else:
                self._report.warning(path, f"{message}; it fails for a run without it")

    def misfits(self, value: Json) -> tuple[Problem, ...]:
        """Why no run takes `value`; nothing if one does, or if the schema is none itself."""
        if self._schema is None or not self._is_schema:
            return ()
        return check_value(self._schema, with_defaults(self._schema, value))

    def warn_of_unused(self) -> None:
        for name in self._declared:
            if name not in self._used:
                self._report.warning(("inputs", "properties", name), f"no expression uses the input '{name}'")

    def _is_closed(self) -> bool:
        return isinstance(self._schema, dict) and self._schema.get("additionalProperties") is False
