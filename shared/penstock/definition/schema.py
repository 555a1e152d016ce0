"""The published JSON Schemas of a workflow definition and of `agent.yaml`, made from what the readers accept.

`python -m penstock.definition.schema FILE` writes the workflow's; a test tells when the file is out of date.
"""

import sys
from pathlib import Path

import msgspec

from penstock.contracts.agent import Reuse
from penstock.contracts.limits import NODES_PER_WORKFLOW_MAX
from penstock.contracts.workflow import CompensationPolicy, Json, OnFailure
from penstock.definition import schema_node, schema_triggers
from penstock.definition.read_budget import budget_schema
from penstock.definition.schema_parts import ANY_SCHEMA, DRAFT, DURATION, NAME, SIZE, WITH_EXPRESSIONS, one_of


def workflow_schema() -> dict[str, Json]:
    """A workflow definition. Cycles and expressions are beyond a schema; `penstock validate` checks them."""
    return {
        "$schema": DRAFT,
        "title": "Penstock workflow",
        "type": "object",
        "required": ["name", "nodes"],
        "additionalProperties": False,
        "properties": {
            "name": {**NAME, "description": "The workflow's name"},
            "description": {"type": "string"},
            "inputs": {**ANY_SCHEMA, "description": "JSON Schema of the run's input"},
            "timeout": {**DURATION, "description": "Of the whole run; 2h if absent, at most 30d"},
            "on_failure": one_of(OnFailure, "What the run does when a node has failed for good"),
            "compensation_policy": one_of(
                CompensationPolicy, "What undoing does when one of its steps has failed for good"
            ),
            "concurrency": schema_triggers.concurrency(),
            "nodes": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": NODES_PER_WORKFLOW_MAX,
                "propertyNames": NAME,
                "additionalProperties": {"$ref": "#/$defs/node"},
            },
            "output": {"description": f"The run's output; {WITH_EXPRESSIONS}"},
            "triggers": schema_triggers.triggers(),
            "budget": budget_schema(),
        },
        "$defs": {"node": schema_node.node(), "retry": schema_node.retry()},
    }


def agent_schema() -> dict[str, Json]:
    """An agent's manifest, `agent.yaml`."""
    return {
        "$schema": DRAFT,
        "title": "Penstock agent",
        "type": "object",
        "required": ["name", "version", "command"],
        "additionalProperties": False,
        "properties": {
            "name": NAME,
            "version": {"type": "string", "minLength": 1},
            "description": {"type": "string"},
            "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "input": {**ANY_SCHEMA, "description": "JSON Schema of the agent's input"},
            "output": {**ANY_SCHEMA, "description": "JSON Schema of the agent's output"},
            "sandbox": _sandbox(),
            "secrets": {"type": "array", "items": {"type": "string"}},
            "models": {"type": "array", "items": {"type": "string"}},
            "stores": {"type": "array", "items": {"type": "string"}},
            "reuse": one_of(Reuse, "How often a sandbox serves"),
            "concurrency": {
                "type": "integer",
                "minimum": 1,
                "description": "Attempts at once (reuse: process)",
            },
        },
    }


def as_text(schema: dict[str, Json]) -> str:
    """The schema as it is published."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _sandbox() -> dict[str, Json]:
    hosts = {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:[0-9]+$"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "network": {"oneOf": [{"const": "none"}, hosts]},
            "memory": SIZE,
            "processes": {"type": "integer", "minimum": 1},
            "scratch": SIZE,
            "output": SIZE,
            "open_files": {"type": "integer", "minimum": 16},
        },
    }


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/definition.schema.json").write_text(
        as_text(workflow_schema())
    )
