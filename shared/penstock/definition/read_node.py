"""Reads one node: the one thing that it does, and which keys go together with that."""

from penstock.contracts.limits import NODE_TIMEOUT_DEFAULT, RUN_TIMEOUT_MAX
from penstock.contracts.names import POOL_DEFAULT, did_you_mean, is_name
from penstock.contracts.workflow import (
    RETRY_PROFILE_DEFAULT,
    RETRY_PROFILES,
    Json,
    NodeDefinition,
    NodeKind,
    RunIf,
)
from penstock.definition.fields import INSTANT, NAME_EXPECTED, Fields
from penstock.definition.read_protection import read_breaker, read_compensation, read_dependencies, read_retry
from penstock.definition.read_shape import read_cache, read_foreach, read_repeat
from penstock.definition.read_waiting import read_approval, read_wait

KIND_KEYS = tuple(str(kind) for kind in NodeKind)
NODE_KEYS = (
    *KIND_KEYS,
    "version",
    "with",
    "needs",
    "if",
    "run_if",
    "timeout",
    "retry",
    "pool",
    "foreach",
    "max_parallel",
    "tolerate_failures",
    "repeat",
    "cache",
    "compensate",
    "breaker",
    "depends_on",
)
VERSION_MAX = 2**31 - 1  # what the database counts to

_AN = {NodeKind.APPROVAL: "an approval", NodeKind.WAIT: "a wait", NodeKind.WORKFLOW: "a sub-workflow"}
_TIMEOUT_INSIDE = {
    NodeKind.APPROVAL: "approval: {message: …, timeout: 1d}",
    NodeKind.WAIT: "wait: {event: …, timeout: 1d}",
}
ONLY_AGENTS = {
    "cache": "cache the nodes inside the sub-workflow instead",
    "pool": "the nodes inside the sub-workflow name their pools",
    "breaker": "the nodes inside the sub-workflow have breakers",
    "depends_on": "the nodes inside the sub-workflow name what they depend on",
}
NOT_WHILE_WAITING = (
    *("foreach", "repeat", "cache", "compensate", "breaker"),
    *("retry", "pool", "depends_on", "timeout", "with"),
)
BELONG_TO = {"max_parallel": "foreach", "tolerate_failures": "foreach", "version": "workflow"}


def read_node(nodes: Fields, name: str, value: Json) -> NodeDefinition:
    """The node `name` of the mapping `nodes`."""
    if not is_name(name):
        nodes.wrong(name, NAME_EXPECTED, name)
    fields = nodes.mapping(name, value, "a mapping with `agent`, `workflow`, `approval` or `wait`")
    if fields is None:
        return NodeDefinition(name=name, agent="")
    fields.only(NODE_KEYS)
    kind = _read_kind(fields)
    _refuse_contradictions(fields, kind)
    is_agent = kind is NodeKind.AGENT
    profile = RETRY_PROFILES[RETRY_PROFILE_DEFAULT if is_agent else "none"]
    timeout = RUN_TIMEOUT_MAX if kind is NodeKind.WORKFLOW else NODE_TIMEOUT_DEFAULT
    return NodeDefinition(
        name=name,
        agent=fields.name("agent") if is_agent else None,
        pool=fields.name("pool", POOL_DEFAULT),
        with_=fields.value.get("with"),
        needs=tuple(text for _, text in fields.texts("needs", "a list of node names")),
        if_=fields.optional_text("if"),
        run_if=fields.choice("run_if", RunIf, RunIf.ALL_SUCCEEDED),
        timeout=fields.duration("timeout", timeout, least=INSTANT, most=RUN_TIMEOUT_MAX),
        retry=read_retry(fields, profile),
        workflow=fields.name("workflow") if kind is NodeKind.WORKFLOW else None,
        workflow_version=_read_version(fields),
        approval=read_approval(fields) if kind is NodeKind.APPROVAL else None,
        wait=read_wait(fields) if kind is NodeKind.WAIT else None,
        foreach=read_foreach(fields) if "foreach" in fields else None,
        repeat=read_repeat(fields) if "repeat" in fields else None,
        cache=read_cache(fields) if "cache" in fields else None,
        compensate=read_compensation(fields) if "compensate" in fields else None,
        breaker=read_breaker(fields) if "breaker" in fields else None,
        depends_on=read_dependencies(fields) if "depends_on" in fields else (),
    )


def _read_kind(fields: Fields) -> NodeKind:
    """The one thing that the node does; the first of several, or an agent if there is none, is a problem."""
    found = [key for key in fields.value if key in KIND_KEYS]
    if not found:
        near = ((key, did_you_mean(key, KIND_KEYS)) for key in fields.value if key not in NODE_KEYS)
        hint = next((f"{hint[:-1]} instead of '{key[:60]}'?" for key, hint in near if hint), "")
        expected = f"exactly one of {', '.join(KIND_KEYS)}"
        fields.report.error(fields.path, f"what the node does is missing: expected {expected}{hint}")
        return NodeKind.AGENT
    for other in found[1:]:
        message = (
            f"a node does one thing, and this one has '{found[0]}' already; make '{other}' a node of its own"
        )
        fields.report.error(fields.at(other), message)
    return NodeKind(found[0])


def _refuse_contradictions(fields: Fields, kind: NodeKind) -> None:
    """Keys that mean nothing to this kind of node: silence would let the author believe in them."""
    for key, owner in BELONG_TO.items():
        if key in fields and owner not in fields:
            fields.report.error(fields.at(key), f"'{key}' belongs to '{owner}', which is missing")
    if kind is NodeKind.WORKFLOW:
        for key, instead in ONLY_AGENTS.items():
            if key in fields:
                fields.report.error(fields.at(key), f"'{key}' is for nodes with an agent; {instead}")
    if kind in (NodeKind.APPROVAL, NodeKind.WAIT):
        for key in NOT_WHILE_WAITING:
            if key in fields:
                fields.report.error(fields.at(key), _not_while_waiting(key, kind))


def _not_while_waiting(key: str, kind: NodeKind) -> str:
    if key == "timeout":
        return f"{_AN[kind]} has its timeout inside: write {_TIMEOUT_INSIDE[kind]}"
    if key == "with":
        return f"{_AN[kind]} takes no input; leave 'with' out"
    if key == "compensate":
        return f"{_AN[kind]} has nothing to undo; put 'compensate' on the node that does the work"
    if key in ("foreach", "repeat"):
        return f"{_AN[kind]} happens once; put '{key}' on a node with an agent or a workflow"
    return f"'{key}' is for nodes that do work; leave it out of {_AN[kind]}"


def _read_version(fields: Fields) -> int | None:
    if "version" not in fields:
        return None
    return fields.integer("version", 1, least=1, most=VERSION_MAX)
