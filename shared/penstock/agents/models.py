"""Shapes of types that pydantic or msgspec know how to read; imported only for such a type."""

import json
from typing import Any

from penstock.agents.shapes import Problems, Shape, refuse


def library_shape(annotation: object) -> Shape:
    """msgspec reads its Structs; pydantic reads everything else that the plain shapes leave over."""
    if hasattr(annotation, "__struct_fields__"):
        return _msgspec_shape(annotation)
    return _pydantic_shape(annotation)


def _msgspec_shape(kind: Any) -> Shape:
    import msgspec

    def read(value: object, path: str, problems: Problems) -> object:
        try:
            return msgspec.convert(value, kind, builtin_types=())
        except msgspec.ValidationError as error:
            reason, _, where = str(error).partition(" - at `$")
            return refuse(problems, path + where.rstrip("`"), reason)

    (schema,), defs = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    return Shape(schema, read, defs)


def _pydantic_shape(annotation: Any) -> Shape:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    try:
        adapter: TypeAdapter[object] = TypeAdapter(annotation)
        schema = adapter.json_schema(ref_template="#/$defs/{model}")
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise TypeError(f"{annotation} has no JSON form: {str(error).splitlines()[0]}") from error
    defs = schema.pop("$defs", {})

    def read(value: object, path: str, problems: Problems) -> object:
        try:
            return adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            problems.extend((_joined(path, item["loc"]), item["msg"]) for item in error.errors())
            return None

    return Shape(schema, read, defs)


def _joined(path: str, location: tuple[int | str, ...]) -> str:
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path
