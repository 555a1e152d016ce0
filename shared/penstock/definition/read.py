"""A document's value to a WorkflowDefinition: shapes, types, ranges. What it means is checked in validate."""

from penstock.contracts.limits import (
    CONCURRENCY_KEY_CHARS_MAX,
    CONCURRENCY_MAX,
    NODES_PER_WORKFLOW_MAX,
    RUN_TIMEOUT_DEFAULT,
    RUN_TIMEOUT_MAX,
)
from penstock.contracts.template import OPENING
from penstock.contracts.workflow import (
    CompensationPolicy,
    Concurrency,
    Json,
    NodeDefinition,
    OnFailure,
    OnLimit,
    WorkflowDefinition,
)
from penstock.definition.fields import INSTANT, NAME_EXPECTED, Fields
from penstock.definition.read_budget import read_budget
from penstock.definition.read_node import read_node
from penstock.definition.read_triggers import read_triggers
from penstock.definition.report import Report

WORKFLOW_KEYS = (
    "name",
    "description",
    "inputs",
    "timeout",
    "on_failure",
    "compensation_policy",
    "concurrency",
    "nodes",
    "output",
    "triggers",
    "budget",
)
CONCURRENCY_KEYS = ("key", "limit", "on_limit")


def read_workflow(value: Json, report: Report) -> WorkflowDefinition:
    """The workflow that `value` describes; parts that are wrong have their defaults and are in the report."""
    if not isinstance(value, dict):
        Fields({}, (), report).wrong_at((), "a mapping with `name` and `nodes`", value)
        return WorkflowDefinition(name="", nodes=())
    fields = Fields(value, (), report)
    fields.only(WORKFLOW_KEYS)
    fields.require("name", NAME_EXPECTED)
    if value.get("inputs", {}) is None:
        fields.wrong("inputs", "a JSON Schema", None)
    return WorkflowDefinition(
        name=fields.name("name"),
        nodes=_read_nodes(fields),
        description=fields.text("description"),
        inputs=value.get("inputs"),
        timeout=fields.duration("timeout", RUN_TIMEOUT_DEFAULT, least=INSTANT, most=RUN_TIMEOUT_MAX),
        on_failure=fields.choice("on_failure", OnFailure, OnFailure.STOP),
        compensation_policy=fields.choice(
            "compensation_policy", CompensationPolicy, CompensationPolicy.CONTINUE_ON_ERROR
        ),
        concurrency=_read_concurrency(fields) if "concurrency" in fields else None,
        output=value.get("output"),
        triggers=read_triggers(fields) if "triggers" in fields else (),
        budget=read_budget(fields) if "budget" in fields else None,
    )


def _read_nodes(fields: Fields) -> tuple[NodeDefinition, ...]:
    if not fields.require("nodes", "a mapping from node names to nodes"):
        return ()
    nodes = fields.mapping("nodes", fields.value["nodes"], "a mapping from node names to nodes")
    if nodes is None:
        return ()
    if not nodes.value:
        fields.report.error(nodes.path, "a workflow needs at least one node")
    if len(nodes.value) > NODES_PER_WORKFLOW_MAX:
        message = f"{len(nodes.value)} nodes; at most {NODES_PER_WORKFLOW_MAX} are allowed"
        fields.report.error(nodes.path, message)
        return ()
    return tuple(read_node(nodes, name, value) for name, value in nodes.value.items())


def _read_concurrency(fields: Fields) -> Concurrency | None:
    """A mapping, or the bare limit of runs of the whole workflow."""
    value = fields.value["concurrency"]
    if isinstance(value, int) and not isinstance(value, bool):
        return Concurrency(key="", limit=fields.integer("concurrency", 1, least=1, most=CONCURRENCY_MAX))
    own = fields.mapping("concurrency", value, "a number of runs, or a mapping with `key` and `limit`")
    if own is None:
        return None
    own.only(CONCURRENCY_KEYS)
    key = own.text("key")
    if OPENING not in key and len(key) > CONCURRENCY_KEY_CHARS_MAX:
        own.wrong("key", f"a key of at most {CONCURRENCY_KEY_CHARS_MAX} characters", key)
    return Concurrency(
        key=key,
        limit=own.integer("limit", 1, least=1, most=CONCURRENCY_MAX),
        on_limit=own.choice("on_limit", OnLimit, OnLimit.QUEUE),
    )
