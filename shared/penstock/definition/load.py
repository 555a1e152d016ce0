"""A workflow definition from its text: `load` to save it, `check` to be told what is wrong, `from_document`
to take a stored one up again."""

import hashlib
from functools import cache

import msgspec

from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.value import Value
from penstock.contracts.workflow import Json, WorkflowDefinition
from penstock.definition.document import Path
from penstock.definition.expressions import Expressions
from penstock.definition.parse import parse
from penstock.definition.read import read_workflow
from penstock.definition.report import Report
from penstock.definition.validate import validate

_canonical_encoder = msgspec.json.Encoder(order="sorted")


class LoadedDefinition(Value, frozen=True):
    """A valid definition. `document` is what is stored: the author's own names and order, as JSON.

    `digest` is the SHA-256 of the document with its keys in order: the same for YAML, JSON, other comments
    and another order of keys.
    """

    definition: WorkflowDefinition
    document: Json
    canonical: bytes
    digest: str
    warnings: tuple[Problem, ...]


def load(text: str | bytes) -> LoadedDefinition:
    """Read and check a definition; raises InvalidInput with every problem."""
    document, definition, report = _examine(text)
    report.raise_if_wrong(f"workflow '{definition.name}'" if definition.name else "the workflow")
    canonical = _canonical_encoder.encode(document)
    return LoadedDefinition(
        definition=definition,
        document=document,
        canonical=canonical,
        digest=hashlib.sha256(canonical).hexdigest(),
        warnings=report.problems,
    )


def check(text: str | bytes) -> list[Problem]:
    """All errors and warnings of a definition, in the order of its lines."""
    try:
        return list(_examine(text)[2].problems)
    except InvalidInput as error:
        return list(error.problems)


def from_document(document: Json) -> WorkflowDefinition:
    """The definition of a stored document; it was checked when it was saved, so only its shape is."""
    report = Report()
    definition = read_workflow(document, report)
    report.raise_if_wrong("the stored workflow")
    return definition


def _examine(text: str | bytes) -> tuple[Json, WorkflowDefinition, Report]:
    document = parse(text)
    report = Report(document)
    report.extend(document.problems)
    _refuse_nul(document.value, (), report)
    definition = read_workflow(document.value, report)
    validate(definition, report, _expressions())
    return document.value, definition, report


def _refuse_nul(value: Json, path: Path, report: Report) -> None:
    """PostgreSQL cannot look into a document with this character: one would break every list of workflows."""
    if isinstance(value, str) and "\x00" in value:
        report.error(path, "contains the character U+0000, which a definition may not hold")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_nul(item, (*path, index), report)
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key, path, report)
            _refuse_nul(item, (*path, key), report)


@cache
def _expressions() -> Expressions:
    """Compiles for the checks; evaluates nothing, so it never starts a process."""
    return Expressions()
