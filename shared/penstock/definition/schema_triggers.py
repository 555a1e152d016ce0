"""The parts of the published schema that describe triggers and the concurrency of runs."""

from penstock.contracts.limits import CONCURRENCY_MAX, TRIGGERS_MAX
from penstock.contracts.workflow import AlertStatus, CatchUp, Json, OnLimit, Overlap
from penstock.definition.schema_node import EVENT_TYPE
from penstock.definition.schema_parts import CONDITION, NAME, TEXT, WITH_EXPRESSIONS, mapping, one_of, whole

_INPUT = {"description": f"The run's input; {WITH_EXPRESSIONS}"}


def concurrency() -> dict[str, Json]:
    limit = whole(1, CONCURRENCY_MAX)
    own = {
        "key": {
            "type": "string",
            "description": f"Runs with the same key share the limit; {WITH_EXPRESSIONS}",
        },
        "limit": limit,
        "on_limit": one_of(OnLimit, "What a run does that finds the limit reached"),
    }
    return {"oneOf": [limit, mapping(own)], "description": "How many runs of the workflow there are at once"}


def triggers() -> dict[str, Json]:
    each = {"schedule": _schedule(), "event": _event(), "alert": _alert()}
    return {
        "type": "array",
        "maxItems": TRIGGERS_MAX,
        "items": {**mapping(each), "minProperties": 1, "maxProperties": 1},
        "description": "What starts runs by itself",
    }


def _schedule() -> dict[str, Json]:
    return mapping(
        {
            "cron": {**TEXT, "description": "Minute, hour, day of month, month, day of week"},
            "timezone": {
                **TEXT,
                "description": "Whose clocks count; UTC if absent",
                "examples": ["Europe/Zurich"],
            },
            "overlap": one_of(Overlap, "What a tick does while a run of an earlier one is open"),
            "catch_up": one_of(CatchUp, "Which ticks that were missed during an outage are made up for"),
            "input": _INPUT,
            "name": {**NAME, "description": "Tells several schedules apart; schedule-1 and so on if absent"},
        },
        required=("cron",),
    )


def _event() -> dict[str, Json]:
    return mapping({"type": EVENT_TYPE, "if": CONDITION, "input": _INPUT}, required=("type",))


def _alert() -> dict[str, Json]:
    labels = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "string"},
        "description": "Labels that the alert has, among others",
    }
    own = {
        "match": labels,
        "if": CONDITION,
        "status": one_of(AlertStatus, "What the Alertmanager says of it"),
        "input": _INPUT,
    }
    return mapping(own, required=("match",))
