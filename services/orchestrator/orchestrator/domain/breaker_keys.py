"""Which breakers stand before a unit: its node's own, and one for each dependency that it names."""

from penstock.contracts.names import NAME_PATTERN, is_name
from penstock.contracts.value import Value
from penstock.contracts.workflow import BreakerPolicy, NodeDefinition

DEPENDENCY = "dependency/"
WORKFLOW = "workflow/"
KEY_PATTERN = f"{DEPENDENCY}{NAME_PATTERN}|{WORKFLOW}{NAME_PATTERN}/{NAME_PATTERN}"


_NAMES_OF = {"dependency": 1, "workflow": 2}


class BreakerKey(Value, frozen=True):
    """`policy` is the definition's; None: the project's for this dependency, or the default."""

    key: str
    policy: BreakerPolicy | None


def dependency_key(name: str) -> str:
    return DEPENDENCY + name


def node_key(workflow: str, node: str) -> str:
    return f"{WORKFLOW}{workflow}/{node}"


def is_key(text: str) -> bool:
    """Whether this can be a breaker's key at all."""
    kind, *names = text.split("/")
    return len(names) == _NAMES_OF.get(kind) and all(is_name(name) for name in names)


def breaker_keys(workflow: str, node: NodeDefinition) -> tuple[BreakerKey, ...]:
    """In the order in which they are locked. Items of a `foreach` node share those of the node."""
    if node.breaker is None and not node.depends_on:
        return ()
    keys = [BreakerKey(dependency_key(name), None) for name in dict.fromkeys(node.depends_on)]
    if node.breaker is not None:
        keys.append(BreakerKey(node_key(workflow, node.name), node.breaker))
    return tuple(sorted(keys, key=lambda each: each.key))
