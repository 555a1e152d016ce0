"""The graph of a definition: who waits for whom. All O(nodes + edges) and iterative: chains may be long."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from penstock.contracts.expression import Expression
from penstock.contracts.template import TemplateError, split, strings
from penstock.contracts.workflow import Json, NodeDefinition, WorkflowDefinition

Edges: TypeAlias = Mapping[str, Sequence[str]]
"""Node → the nodes that it waits for (upstream), each once."""


def edges(definition: WorkflowDefinition) -> dict[str, tuple[str, ...]]:
    """What each node waits for: its `needs`, then the nodes that its expressions name."""
    known = frozenset(node.name for node in definition.nodes)
    return {node.name: upstream(node, known) for node in definition.nodes}


def upstream(node: NodeDefinition, known: frozenset[str]) -> tuple[str, ...]:
    """What one node waits for, without names that are not `known`."""
    named = dict.fromkeys((*node.needs, *names_in([node.if_, node.with_, *_further_texts(node)], known)))
    return tuple(name for name in named if name in known)


def _further_texts(node: NodeDefinition) -> Iterator[Json]:
    """What may name other nodes besides `if` and `with`. Not `compensate`: it speaks of what is over by then."""
    if node.foreach is not None:
        yield node.foreach.items
    if node.repeat is not None:
        yield node.repeat.until
    if node.cache is not None:
        yield node.cache.key
    if node.approval is not None:
        yield node.approval.message
    if node.wait is not None:
        yield [node.wait.until, node.wait.duration, node.wait.event and node.wait.event.if_]


def names_in(value: Json, known: frozenset[str]) -> tuple[str, ...]:
    """The nodes that the expressions in a JSON value name; a text that is no template names none."""
    named: dict[str, None] = {}
    for _, text in strings(value):
        if "${{" in text and "nodes" in text:
            for part in _parts(text, known):
                named.update(dict.fromkeys(part.nodes))
    return tuple(named)


def downstream(upstream_of: Edges) -> dict[str, tuple[str, ...]]:
    """Node → the nodes that wait for it, in the author's order."""
    followers: dict[str, list[str]] = {node: [] for node in upstream_of}
    for node, needed in upstream_of.items():
        for name in needed:
            followers[name].append(node)
    return {node: tuple(names) for node, names in followers.items()}


def topological_order(upstream_of: Edges) -> tuple[str, ...]:
    """Each node after all that it waits for, else in the author's order; without the `unreachable` ones."""
    waiting = {node: len(needed) for node, needed in upstream_of.items()}
    followers = downstream(upstream_of)
    ready = deque(node for node, count in waiting.items() if count == 0)
    order: list[str] = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for follower in followers[node]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                ready.append(follower)
    return tuple(order)


def unreachable(upstream_of: Edges) -> tuple[str, ...]:
    """The nodes that can never start: on a cycle, or behind one."""
    started = set(topological_order(upstream_of))
    return tuple(node for node in upstream_of if node not in started)


def find_cycle(upstream_of: Edges) -> tuple[str, ...] | None:
    """One cycle as a path that ends where it begins (`a, b, a`: a is needed by b …), or None."""
    cycles = find_cycles(upstream_of, cycles_max=1)
    return cycles[0] if cycles else None


def find_cycles(upstream_of: Edges, *, cycles_max: int) -> tuple[tuple[str, ...], ...]:
    """At most `cycles_max` cycles that share no edge back, each as a path in the direction of the work."""
    followers = downstream(upstream_of)
    cycles: list[tuple[str, ...]] = []
    finished: set[str] = set()
    for root in upstream_of:
        if len(cycles) >= cycles_max:
            break
        if root not in finished:
            _search(root, followers, finished, cycles, cycles_max)
    return tuple(cycles)


def _search(
    root: str, followers: Edges, finished: set[str], cycles: list[tuple[str, ...]], cycles_max: int
) -> None:
    """Depth first from `root`; an edge back to a node on the current path closes a cycle."""
    path: list[str] = [root]
    place = {root: 0}
    todo = [iter(followers[root])]
    while path and len(cycles) < cycles_max:
        following = next(todo[-1], None)
        if following is None:
            finished.add(path.pop())
            todo.pop()
        elif place.get(following, len(path)) < len(path) and path[place[following]] == following:
            cycles.append((*path[place[following] :], following))
        elif following not in finished:
            place[following] = len(path)
            path.append(following)
            todo.append(iter(followers[following]))


def _parts(text: str, known: frozenset[str]) -> Iterable[Expression]:
    try:
        return [part for part in split(text, known) if isinstance(part, Expression)]
    except TemplateError:
        return []
