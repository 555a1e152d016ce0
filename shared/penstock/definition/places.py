"""The places of expressions: what each may speak of, and what it must give."""

from penstock.contracts.expression import VARIABLES
from penstock.contracts.inbound import ALERT_MEMBERS
from penstock.contracts.value import Value
from penstock.contracts.workflow import NodeDefinition
from penstock.definition.document import Path

NODE_MEMBERS = ("state", "output")
MEMBERS = {
    "run": ("id", "project", "workflow", "version"),
    "event": ("id", "source", "type", "subject", "time", "data"),  # as CloudEvents names them
    "schedule": ("name", "at"),
    "alert": ALERT_MEMBERS,
}
"""The members of the variables that have no others."""


class Place(Value, frozen=True):
    """Where expressions stand. `node` is the one that they belong to, which only some may name itself."""

    path: Path
    variables: tuple[str, ...] = VARIABLES
    node: str | None = None
    may_name_itself: bool = False


class Result(Value, frozen=True):
    """What the one expression of a place gives: in words, and CEL's types; `dyn` always passes."""

    place: str  # "an `if`"
    words: str  # "true or false"
    types: tuple[str, ...]


IF = Result("an `if`", "true or false", ("bool",))
UNTIL = Result("an `until`", "true or false", ("bool",))
FOREACH = Result("a `foreach`", "a list", ("list",))
DURATION = Result("a `duration`", "text like 90s", ("string", "duration"))
MOMENT = Result("an `until`", "text like 2026-12-24T18:00:00Z", ("string", "timestamp"))


def of_node(node: NodeDefinition, *keys: str, also: tuple[str, ...] = ()) -> Place:
    """A place in a node that speaks of the run, and of `also`."""
    return Place(path=("nodes", node.name, *keys), variables=(*VARIABLES, *also), node=node.name)


def of_input(node: NodeDefinition, *keys: str) -> Place:
    """`with` and `cache.key`, which are evaluated for each item and each iteration."""
    return of_node(
        node, *keys, also=(*_of_item(node), *(("iteration", "previous") if node.repeat is not None else ()))
    )


def of_until(node: NodeDefinition) -> Place:
    return of_node(node, "repeat", "until", also=("output", "iteration", *_of_item(node)))


def of_compensation(node: NodeDefinition) -> Place:
    """What undoes a node speaks of what the node was given and what it gave."""
    variables = (*VARIABLES, "input", "output", *_of_item(node))
    path: Path = ("nodes", node.name, "compensate", "with")
    return Place(path=path, variables=variables, node=node.name, may_name_itself=True)


def _of_item(node: NodeDefinition) -> tuple[str, ...]:
    return ("item", "index") if node.foreach is not None else ()
