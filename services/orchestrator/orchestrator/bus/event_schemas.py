"""JSON Schemas of messages: those of our own types, and the exact one of each kind of event."""

import msgspec

from penstock.contracts.fact_data import DATA
from penstock.contracts.names import NAME_PATTERN
from penstock.contracts.timeline import Kind
from penstock.contracts.workflow import Json

Schema = dict[str, Json]

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TRACEPARENT = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"


def schema_of(kind: type) -> Schema:
    """The schema of a message, without references: each message of the document stands by itself."""
    schema = msgspec.json.schema(kind)
    inlined = _inline(schema, schema.pop("$defs", {}))
    assert isinstance(inlined, dict)
    return inlined


def schema_of_event(kind: Kind) -> Schema:
    """A CloudEvent of this kind: no attribute and no member of `data` but these."""
    of_node = kind.startswith("node.")
    attributes: Schema = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "pattern": f"^{_UUID}/[1-9][0-9]*$", "description": "`<run>/<seq>`"},
        "source": {"type": "string", "pattern": f"^/projects/{NAME_PATTERN}/workflows/{NAME_PATTERN}$"},
        "type": {"const": f"penstock.{kind}"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "traceparent": {
            "type": "string",
            "pattern": _TRACEPARENT,
            "description": "of the run, if it has one",
        },
        "data": schema_of_data(kind),
    }
    if of_node:
        attributes["subject"] = {
            "type": "string",
            "description": "the unit: a node, an item `node[3]`, what undoes one `node:undo`",
        }
        attributes["attempt"] = {"type": "integer", "minimum": 1, "description": "absent: it never had one"}
    optional = {"traceparent", "attempt"}
    required: list[Json] = [name for name in attributes if name not in optional]
    return {"type": "object", "properties": attributes, "required": required, "additionalProperties": False}


def schema_of_data(kind: Kind) -> Schema:
    schema = schema_of(DATA[kind])
    schema.pop("title", None)
    return schema


def _inline(schema: Json, definitions: dict[str, Json]) -> Json:
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(definitions[str(schema["$ref"]).rsplit("/", 1)[1]], definitions)
    return {key: _inline(value, definitions) for key, value in schema.items()}
