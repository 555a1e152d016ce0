"""Compiles and checks JSON Schemas (draft 2020-12). Nothing is fetched; patterns match in linear time."""

from functools import cache
from typing import Any

import jsonschema_rs

from penstock.contracts import artifact
from penstock.contracts.errors import Problem
from penstock.contracts.workflow import Json
from penstock.definition.document import Path, dotted
from penstock.definition.report import described

META_SCHEMA = {"$ref": "https://json-schema.org/draft/2020-12/schema"}


def compile_schema(schema: Json) -> Any:
    """A validator of values; raises jsonschema_rs.ValidationError if `schema` is no schema.

    Offline: a `$ref` to an address would let an author make the orchestrator fetch it. Linear patterns: one
    with a long backtrack would let an author stop it.
    """
    return jsonschema_rs.Draft202012Validator(
        schema,
        formats={"artifact": _is_artifact},
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(),
        offline=True,
    )


def schema_problems(schema: Json) -> tuple[tuple[Path, str], ...]:
    """What is wrong with a schema itself: where, and what."""
    if not isinstance(schema, dict):
        return (((), f"expected a JSON Schema (a mapping), got {described(schema)}"),)
    found = {tuple(error.instance_path): _meta_message(error) for error in _meta().iter_errors(schema)}
    if found:
        return tuple(found.items())
    try:
        compile_schema(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        path = tuple(getattr(error, "instance_path", ()))
        return ((path, f"not a JSON Schema: {error.message.splitlines()[0]}"),)
    return ()


def schema_errors(schema: Json, where: str) -> tuple[Problem, ...]:
    """The same as problems, below the path `where`."""
    return tuple(
        Problem(path=f"{where}{'.' if path and isinstance(path[0], str) else ''}{dotted(path)}", message=text)
        for path, text in schema_problems(schema)
    )


@cache
def _meta() -> Any:
    return compile_schema(META_SCHEMA)


def _meta_message(error: Any) -> str:
    message: str = error.message
    if tuple(error.instance_path)[-1:] == ("type",):
        types = "array, boolean, integer, null, number, object, string"
        return f"unknown JSON type; expected one of {types}"
    return f"not a JSON Schema: {message}"


def _is_artifact(text: str) -> bool:
    return artifact.parse(text) is not None
