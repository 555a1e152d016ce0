"""The files that a blueprint makes of an analysis: the package, and the tests of its contracts."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from delivery.analysis import Analysis, Field, Resource, operation_id
from delivery.blueprints import FOLDER, Blueprint
from delivery.contracts import VERSION

_SQL = {"integer": "integer", "number": "real", "boolean": "integer"}
_TEMPLATES = FOLDER / "templates"


def package_files(analysis: Analysis, blueprint: Blueprint) -> dict[str, str]:
    """Path → content, of the software."""
    return _rendered(blueprint.files, analysis, blueprint)


def test_files(analysis: Analysis, blueprint: Blueprint) -> dict[str, str]:
    """Path → content, of the tests of the contracts, which are the tester's own."""
    return _rendered(blueprint.tests, analysis, blueprint)


def _rendered(files: Mapping[str, str], analysis: Analysis, blueprint: Blueprint) -> dict[str, str]:
    environment = _environment()
    values = {
        "analysis": analysis,
        "blueprint": blueprint,
        "package": analysis.package,
        "version": VERSION,
    }
    return {
        path.format(package=analysis.package): _content(environment, source, values)
        for path, source in files.items()
    }


def _content(environment: Environment, source: str, values: dict[str, Any]) -> str:
    if source.endswith(".j2"):
        return environment.get_template(source).render(values)
    return (_TEMPLATES / source).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(  # it writes Python, where HTML's escapes would be wrong
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {
        "literal": repr,
        "doc": _in_docstring,
        "declared": _declared,
        "sql_type": lambda field: _SQL.get(field.type, "text"),
        "tuple_of": lambda names: repr(tuple(names)),
        "guards": _guards,
        "changeable": _changeable,
        "op": lambda resource, operation: repr(operation_id(operation, resource)),
    }
    return environment


def _in_docstring(text: str) -> str:
    return text.replace("\\", " ").replace('"', "'")


def _declared(field: Field) -> str:
    given = {
        "required": field.required or None,
        "choices": tuple(field.choices) or None,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "length_max": field.length_max,
    }
    said = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    return f"Field({', '.join([repr(field.type), *said])})"


def _guards(resource: Resource, operation: str) -> dict[str, tuple[str, ...]]:
    guards = [each for each in resource.guards if each.operation == operation]
    return {
        name: tuple(each.value for each in guards if each.field == name) for name in {e.field for e in guards}
    }


def _changeable(resource: Resource) -> tuple[str, ...]:
    moved = {each.field for each in resource.transitions}
    return tuple(each.name for each in resource.fields if each.name not in moved)
