"""Whether four documents are contracts: valid OpenAPI 3.1 by the specification's own validator, and of one mind."""

from collections.abc import Iterator
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from delivery.analysis import Analysis, camel, operation_ids
from delivery.contracts import CONTRACTS, Document, operations_of

PROBLEMS_SHOWN = 40


def problems_of(documents: dict[str, Any], analysis: Analysis) -> list[str]:
    """All that is wrong, each with the contract and the place in it. Nothing: the contracts are good."""
    missing = [f"{name}: the contract is missing" for name in CONTRACTS if name not in documents]
    unknown = [
        f"{name}: expected one of {', '.join(CONTRACTS)}" for name in documents if name not in CONTRACTS
    ]
    found = {name: [*_invalid(documents[name])] for name in CONTRACTS if name in documents}
    problems = [f"{name}: {problem}" for name, each in found.items() for problem in each]
    if not (missing or unknown or problems):
        problems = [*_disagreements(documents, analysis)]
    return [*missing, *unknown, *problems][:PROBLEMS_SHOWN]


def _invalid(document: Any) -> Iterator[str]:
    if not isinstance(document, dict):
        yield "expected an OpenAPI document, an object"
        return
    if not str(document.get("openapi", "")).startswith("3.1."):
        yield f"openapi: expected 3.1.x, found {document.get('openapi')!r}"
        return
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        place = ".".join(str(part) for part in getattr(error, "absolute_path", ()))
        message = str(getattr(error, "message", error)).splitlines()[0]
        yield f"{place or 'document'}: {message[:300]}"


def _disagreements(documents: dict[str, Document], analysis: Analysis) -> Iterator[str]:
    names = [
        operation.get("operationId", "")
        for document in documents.values()
        for _, _, operation in operations_of(document)
    ]
    if not [*operations_of(documents["api"])]:
        yield "api: paths: there is no operation"
    if "" in names:
        yield "api: an operation has no operationId"
    yield from (
        f"api: operationId '{name}' is there twice" for name in sorted(set(names)) if names.count(name) > 1
    )
    wanted = [name for each in analysis.resources for name in operation_ids(each)]
    yield from (f"api: paths: operation '{name}' is missing" for name in wanted if name not in names)
    for name in ("getHealth", "listChangeEvents"):
        if name not in names:
            yield f"{'operations' if name == 'getHealth' else 'events'}: paths: operation '{name}' is missing"
    yield from _different_schemas(documents, analysis)


def _different_schemas(documents: dict[str, Document], analysis: Analysis) -> Iterator[str]:
    kept = documents["data"].get("components", {}).get("schemas", {})
    shown = documents["api"].get("components", {}).get("schemas", {})
    for resource in analysis.resources:
        name = camel(resource.name)
        if name not in kept:
            yield f"data: components.schemas.{name} is missing"
        elif name in shown and shown[name] != kept[name]:
            yield f"api: components.schemas.{name} is not what the contract 'data' says"
