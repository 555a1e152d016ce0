"""The part of the published schema that describes a node."""

from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import (
    ATTEMPTS_MAX,
    FOREACH_ITEMS_MAX,
    FOREACH_PARALLEL_MAX,
    REPEAT_MAX,
)
from penstock.contracts.workflow import RETRY_PROFILES, Json, NodeKind, OnMax, OnTimeout, RunIf
from penstock.definition.read_node import BELONG_TO, KIND_KEYS, NOT_WHILE_WAITING, ONLY_AGENTS, VERSION_MAX
from penstock.definition.read_protection import BREAKER_OUTCOMES_MAX, DEPENDENCIES_MAX, FACTOR_MAX
from penstock.definition.read_shape import SHARE_PATTERN
from penstock.definition.read_waiting import ASSIGNEES_MAX, EVENT_TYPE_PATTERN, WAIT_FOR_KEYS
from penstock.definition.schema_parts import (
    ANY_SCHEMA,
    CONDITION,
    DURATION,
    EXPRESSION,
    NAME,
    TEMPLATE,
    TEXT,
    WITH_EXPRESSIONS,
    exactly_one,
    mapping,
    one_of,
    whole,
)

EVENT_TYPE = {"type": "string", "pattern": f"^{EVENT_TYPE_PATTERN}$"}
_RETRY = {"$ref": "#/$defs/retry"}


def node() -> dict[str, Json]:
    """A node. Which keys go with which kind is told by the conditions; what they mean, by `penstock validate`."""
    properties = {**_kinds(), **_order(), **_protection(), **_shape()}
    return {
        **mapping(properties),
        "oneOf": exactly_one(KIND_KEYS),
        "dependentRequired": {key: [owner] for key, owner in BELONG_TO.items()},
        "allOf": [
            *(_without(kind, NOT_WHILE_WAITING) for kind in (NodeKind.APPROVAL, NodeKind.WAIT)),
            _without(NodeKind.WORKFLOW, tuple(ONLY_AGENTS)),
        ],
    }


def retry() -> dict[str, Json]:
    own = {
        "attempts": whole(1, ATTEMPTS_MAX),
        "delay": DURATION,
        "max_delay": DURATION,
        "factor": {"type": "number", "minimum": 1, "maximum": FACTOR_MAX},
        "jitter": {"type": "number", "minimum": 0, "maximum": 1},
        "retry_on": {"type": "array", "items": one_of(ErrorClass, "A class of errors")},
    }
    return {"oneOf": [{"enum": list(RETRY_PROFILES)}, mapping(own)]}


def _kinds() -> dict[str, Json]:
    return {
        "agent": {**NAME, "description": "The agent that the node runs"},
        "workflow": {**NAME, "description": "The workflow that the node runs, as a run of its own"},
        "version": {**whole(1, VERSION_MAX), "description": "Of the sub-workflow; the latest if absent"},
        "approval": _approval(),
        "wait": _wait(),
    }


def _order() -> dict[str, Json]:
    return {
        "with": {"description": f"The input; {WITH_EXPRESSIONS}"},
        "needs": {"type": "array", "items": NAME, "description": "Nodes that must have ended before"},
        "if": {**CONDITION, "description": "One ${{ expression }} that gives a bool; false skips the node"},
        "run_if": one_of(RunIf, "What the node wants of the nodes that it needs"),
        "timeout": {**DURATION, "description": "Of one attempt; 10m if absent, of a sub-workflow 30d"},
        "pool": {**NAME, "description": "The runners that may take the node"},
    }


def _protection() -> dict[str, Json]:
    undo = {"agent": NAME, "pool": NAME, "with": {}, "timeout": DURATION, "retry": _RETRY}
    breaker = {
        "failures": whole(1, BREAKER_OUTCOMES_MAX),
        "cooldown": DURATION,
        "minimum": whole(1, BREAKER_OUTCOMES_MAX),
        "window": DURATION,
    }
    return {
        "retry": _RETRY,
        "compensate": {
            "oneOf": [NAME, mapping(undo, required=("agent",))],
            "description": "The agent that undoes what the node did",
        },
        "breaker": {
            "oneOf": [{"const": True}, mapping(breaker)],
            "description": "When the node is kept from starting; true: after 5 failures, for 60s",
        },
        "depends_on": {
            "type": "array",
            "items": NAME,
            "maxItems": DEPENDENCIES_MAX,
            "description": "Dependencies of the project, each with a breaker of its own",
        },
    }


def _shape() -> dict[str, Json]:
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    percent = {"type": "string", "pattern": f"^{SHARE_PATTERN}$"}
    return {
        "foreach": {
            "oneOf": [{"type": "array", "maxItems": FOREACH_ITEMS_MAX}, EXPRESSION],
            "description": "The node once for each item: a list, or one ${{ expression }} that gives one",
        },
        "max_parallel": {**whole(1, FOREACH_PARALLEL_MAX), "description": "Items at once; 16 if absent"},
        "tolerate_failures": {
            "oneOf": [whole(0, FOREACH_ITEMS_MAX), share, percent],
            "description": "How many items may fail, or which share of them",
        },
        "repeat": mapping(
            {
                "until": CONDITION,
                "max": whole(1, REPEAT_MAX),
                "on_max": one_of(OnMax, "When `until` never held"),
            },
            required=("until", "max"),
        ),
        "cache": mapping({"key": TEXT, "ttl": DURATION}, required=("key", "ttl")),
    }


def _approval() -> dict[str, Json]:
    return mapping(
        {
            "message": {**TEXT, "description": f"The question; {WITH_EXPRESSIONS}"},
            "assignees": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": ASSIGNEES_MAX},
            **_timeout(),
            "no_self_approval": {"type": "boolean", "description": "Who started the run may not answer"},
            "form": {**ANY_SCHEMA, "description": "JSON Schema of the answer's fields"},
        },
        required=("message",),
    ) | {"dependentRequired": {"on_timeout": ["timeout"]}}


def _wait() -> dict[str, Json]:
    event = mapping({"type": EVENT_TYPE, "if": CONDITION, "look_back": DURATION}, required=("type",))
    properties = {
        "duration": {
            "anyOf": [DURATION, TEMPLATE],
            "description": "Like 90s, or text with ${{ expressions }}",
        },
        "until": {
            "anyOf": [{"type": "string", "format": "date-time"}, TEMPLATE],
            "description": "A moment (RFC 3339), or text with ${{ expressions }}",
        },
        "event": {"oneOf": [EVENT_TYPE, event]},
        **_timeout(),
    }
    return mapping(properties) | {
        "oneOf": exactly_one(WAIT_FOR_KEYS),
        "dependentRequired": {"timeout": ["event"], "on_timeout": ["timeout"]},
    }


def _timeout() -> dict[str, Json]:
    return {
        "timeout": DURATION,
        "on_timeout": one_of(OnTimeout, "What becomes of a node that waited in vain"),
    }


def _without(kind: NodeKind, keys: tuple[str, ...]) -> dict[str, Json]:
    return {
        "if": {"required": [str(kind)]},
        "then": {"properties": dict.fromkeys(keys, False)},
    }
