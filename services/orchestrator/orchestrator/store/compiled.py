"""A workflow version made ready for use: its definition, its edges, and the check of a run's input."""

from dataclasses import dataclass

import msgspec

from penstock.contracts import graph
from penstock.contracts.errors import InvalidInput, LimitExceeded, Problem
from penstock.contracts.limits import RUN_INPUT_BYTES_MAX
from penstock.contracts.workflow import WorkflowDefinition
from penstock.definition import from_document
from penstock.definition.values import check_value, with_defaults


@dataclass(frozen=True)
class CompiledWorkflow:
    """Immutable and shared by all who ask for this version."""

    project: str
    version: int
    definition: WorkflowDefinition
    needs: dict[str, tuple[str, ...]]

    def check_input(self, raw: bytes) -> bytes:
        """`raw` with the defaults of the schema; raises InvalidInput with everything that does not fit."""
        value = _decode(raw)
        schema = self.definition.inputs
        if schema is None:
            return _within_limit(raw)
        complete = with_defaults(schema, value)
        problems = check_value(schema, complete)
        if problems:
            raise InvalidInput(f"the input does not fit workflow '{self.definition.name}'", problems)
        return _within_limit(msgspec.json.encode(complete))


def compile_workflow(project: str, version: int, source: bytes) -> CompiledWorkflow:
    """`source` is the canonical document as it was saved, so it is known to be right."""
    definition = from_document(msgspec.json.decode(source))
    return CompiledWorkflow(project, version, definition, graph.edges(definition))


def _decode(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput.at("input", f"not JSON: {error}") from error


def _within_limit(raw: bytes) -> bytes:
    if len(raw) > RUN_INPUT_BYTES_MAX:
        message = (
            f"{len(raw)} bytes, more than the limit of {RUN_INPUT_BYTES_MAX}; pass large values as artifacts"
        )
        raise LimitExceeded(f"the input has {message}", (Problem(path="input", message=message),))
    return raw
