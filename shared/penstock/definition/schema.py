"""The published JSON Schemas of a workflow definition and of `agent.yaml`, made from what the readers accept.

`python -m penstock.definition.schema FILE` writes the workflow's; a test tells when the file is out of date.
"""

import sys
from enum import StrEnum
from pathlib import Path

import msgspec

from penstock.contracts.agent import Reuse
from penstock.contracts.duration import DURATION_PATTERN, SIZE_PATTERN
from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import ATTEMPTS_MAX, NODES_PER_WORKFLOW_MAX
from penstock.contracts.names import NAME_PATTERN
from penstock.contracts.workflow import RETRY_PROFILES, Json, OnFailure, RunIf
from penstock.definition.read_protection import FACTOR_MAX

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ANY_SCHEMA = {"$ref": DRAFT}

_NAME = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
_DURATION = {
    "type": "string",
    "minLength": 2,
    "pattern": f"^{DURATION_PATTERN}$",
    "examples": ["90s", "1h30m"],
}
_SIZE = {"type": "string", "pattern": f"^{SIZE_PATTERN}$", "examples": ["512MiB"]}


def workflow_schema() -> dict[str, Json]:
    """A workflow definition. Cycles and expressions are beyond a schema; `penstock validate` checks them."""
    return {
        "$schema": DRAFT,
        "title": "Penstock workflow",
        "type": "object",
        "required": ["name", "nodes"],
        "additionalProperties": False,
        "properties": {
            "name": {**_NAME, "description": "The workflow's name"},
            "description": {"type": "string"},
            "inputs": {**ANY_SCHEMA, "description": "JSON Schema of the run's input"},
            "timeout": {**_DURATION, "description": "Of the whole run; 2h if absent, at most 30d"},
            "on_failure": _one_of(OnFailure, "What the run does when a node has failed for good"),
            "nodes": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": NODES_PER_WORKFLOW_MAX,
                "propertyNames": _NAME,
                "additionalProperties": {"$ref": "#/$defs/node"},
            },
            "output": {"description": "The run's output; its strings may hold ${{ expressions }}"},
        },
        "$defs": {"node": _node(), "retry": _retry()},
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
            "name": _NAME,
            "version": {"type": "string", "minLength": 1},
            "description": {"type": "string"},
            "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "input": {**ANY_SCHEMA, "description": "JSON Schema of the agent's input"},
            "output": {**ANY_SCHEMA, "description": "JSON Schema of the agent's output"},
            "sandbox": _sandbox(),
            "secrets": {"type": "array", "items": {"type": "string"}},
            "reuse": _one_of(Reuse, "How often a sandbox serves"),
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


def _node() -> dict[str, Json]:
    return {
        "type": "object",
        "required": ["agent"],
        "additionalProperties": False,
        "properties": {
            "agent": {**_NAME, "description": "The agent that the node runs"},
            "with": {"description": "The agent's input; its strings may hold ${{ expressions }}"},
            "needs": {"type": "array", "items": _NAME, "description": "Nodes that must have ended before"},
            "if": {
                "type": "string",
                "description": "One ${{ expression }} that gives a bool; false skips the node",
            },
            "run_if": _one_of(RunIf, "What the node wants of the nodes that it needs"),
            "timeout": {**_DURATION, "description": "Of one attempt; 10m if absent"},
            "retry": {"$ref": "#/$defs/retry"},
            "pool": {**_NAME, "description": "The runners that may take the node"},
        },
    }


def _retry() -> dict[str, Json]:
    own = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "attempts": {"type": "integer", "minimum": 1, "maximum": ATTEMPTS_MAX},
            "delay": _DURATION,
            "max_delay": _DURATION,
            "factor": {"type": "number", "minimum": 1, "maximum": FACTOR_MAX},
            "jitter": {"type": "number", "minimum": 0, "maximum": 1},
            "retry_on": {"type": "array", "items": _one_of(ErrorClass, "A class of errors")},
        },
    }
    return {"oneOf": [{"enum": list(RETRY_PROFILES)}, own]}


def _sandbox() -> dict[str, Json]:
    hosts = {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:[0-9]+$"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "network": {"oneOf": [{"const": "none"}, hosts]},
            "memory": _SIZE,
            "processes": {"type": "integer", "minimum": 1},
            "scratch": _SIZE,
            "output": _SIZE,
            "open_files": {"type": "integer", "minimum": 16},
        },
    }


def _one_of(choices: type[StrEnum], description: str) -> dict[str, Json]:
    return {"enum": [str(choice) for choice in choices], "description": description}


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/definition.schema.json").write_text(
        as_text(workflow_schema())
    )
