"""A document's value to a WorkflowDefinition: shapes, types, ranges. What it means is checked in validate."""

from datetime import timedelta

from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import (
    ATTEMPTS_MAX,
    NODE_TIMEOUT_DEFAULT,
    NODES_PER_WORKFLOW_MAX,
    RUN_TIMEOUT_DEFAULT,
    RUN_TIMEOUT_MAX,
)
from penstock.contracts.names import POOL_DEFAULT, is_name
from penstock.contracts.workflow import (
    RETRY_PROFILE_DEFAULT,
    RETRY_PROFILES,
    Json,
    NodeDefinition,
    OnFailure,
    RetryProfile,
    RunIf,
    WorkflowDefinition,
)
from penstock.definition.fields import NAME_EXPECTED, Fields
from penstock.definition.report import Report

WORKFLOW_KEYS = ("name", "description", "inputs", "timeout", "on_failure", "nodes", "output")
WORKFLOW_KEYS_LATER = ("concurrency", "triggers", "on_success", "notify")
NODE_KEYS = ("agent", "with", "needs", "if", "run_if", "timeout", "retry", "pool")
NODE_KEYS_LATER = (
    "foreach",
    "max_parallel",
    "approval",
    "wait",
    "workflow",
    "compensate",
    "breaker",
    "depends_on",
    "concurrency",
    "repeat",
    "cache",
    "tolerate_failures",
)
RETRY_KEYS = ("attempts", "delay", "max_delay", "factor", "jitter", "retry_on")
ON_FAILURE_LATER = ("compensate", "pause")

INSTANT = timedelta(milliseconds=1)
DELAY_MAX = timedelta(days=1)
FACTOR_MAX = 100.0


def read_workflow(value: Json, report: Report) -> WorkflowDefinition:
    """The workflow that `value` describes; parts that are wrong have their defaults and are in the report."""
    if not isinstance(value, dict):
        Fields({}, (), report).wrong_at((), "a mapping with `name` and `nodes`", value)
        return WorkflowDefinition(name="", nodes=())
    fields = Fields(value, (), report)
    fields.only(WORKFLOW_KEYS, later=WORKFLOW_KEYS_LATER)
    fields.require("name", NAME_EXPECTED)
    if value.get("inputs", {}) is None:
        fields.wrong("inputs", "a JSON Schema", None)
    return WorkflowDefinition(
        name=fields.name("name"),
        nodes=_read_nodes(fields),
        description=fields.text("description"),
        inputs=value.get("inputs"),
        timeout=fields.duration("timeout", RUN_TIMEOUT_DEFAULT, least=INSTANT, most=RUN_TIMEOUT_MAX),
        on_failure=fields.choice("on_failure", OnFailure, OnFailure.STOP, later=ON_FAILURE_LATER),
        output=value.get("output"),
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
    return tuple(_read_node(nodes, name, value) for name, value in nodes.value.items())


def _read_node(nodes: Fields, name: str, value: Json) -> NodeDefinition:
    if not is_name(name):
        nodes.wrong(name, NAME_EXPECTED, name)
    fields = nodes.mapping(name, value, "a mapping with `agent`")
    if fields is None:
        return NodeDefinition(name=name, agent="")
    fields.only(NODE_KEYS, later=NODE_KEYS_LATER)
    if not any(key in fields for key in NODE_KEYS_LATER):
        fields.require("agent", "the name of the agent that the node runs")
    return NodeDefinition(
        name=name,
        agent=fields.name("agent"),
        pool=fields.name("pool", POOL_DEFAULT),
        with_=fields.value.get("with"),
        needs=tuple(text for _, text in fields.texts("needs", "a list of node names")),
        if_=_read_condition(fields),
        run_if=fields.choice("run_if", RunIf, RunIf.ALL_SUCCEEDED),
        timeout=fields.duration("timeout", NODE_TIMEOUT_DEFAULT, least=INSTANT, most=RUN_TIMEOUT_MAX),
        retry=_read_retry(fields) if "retry" in fields else RETRY_PROFILES[RETRY_PROFILE_DEFAULT],
    )


def _read_condition(fields: Fields) -> str | None:
    """The text of `if`; None if there is none or if it is no text, which is told here."""
    text = fields.text("if")
    return text if isinstance(fields.value.get("if"), str) else None


def _read_retry(fields: Fields) -> RetryProfile:
    """A profile by name, or one of the author's own; what it leaves out is as in the default profile."""
    default = RETRY_PROFILES[RETRY_PROFILE_DEFAULT]
    value = fields.value["retry"]
    if isinstance(value, str):
        if value not in RETRY_PROFILES:
            fields.report.unknown(fields.at("retry"), "retry profile", value, tuple(RETRY_PROFILES))
        return RETRY_PROFILES.get(value, default)
    own = fields.mapping("retry", value, f"one of {', '.join(RETRY_PROFILES)}, or a mapping with `attempts`")
    if own is None:
        return default
    own.only(RETRY_KEYS)
    delay = own.duration("delay", default.delay, least=timedelta(0), most=DELAY_MAX)
    delay_max = own.duration("max_delay", max(default.delay_max, delay), least=timedelta(0), most=DELAY_MAX)
    if delay_max < delay:
        own.report.error(own.at("max_delay"), "max_delay is shorter than delay")
    return RetryProfile(
        attempts=own.integer("attempts", default.attempts, least=1, most=ATTEMPTS_MAX),
        delay=delay,
        delay_max=delay_max,
        factor=own.number("factor", default.factor, least=1.0, most=FACTOR_MAX),
        jitter=own.number("jitter", default.jitter, least=0.0, most=1.0),
        retry_on=_read_error_classes(own) if "retry_on" in own else default.retry_on,
    )


def _read_error_classes(fields: Fields) -> frozenset[ErrorClass]:
    known = tuple(str(error_class) for error_class in ErrorClass)
    found: set[ErrorClass] = set()
    for path, text in fields.texts("retry_on", "a list of error classes"):
        if text in known:
            found.add(ErrorClass(text))
        else:
            fields.report.unknown(path, "error class", text, known)
    return frozenset(found)
