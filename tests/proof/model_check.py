"""A small exhaustive model checker: every reachable state, breadth first, then every state's way to an end."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S", bound=Hashable)

STATES_MAX = 1_000_000  # more than this is not a small model


class Report(NamedTuple):
    """What was found. `violation` is None if the model is safe and can end from everywhere."""

    states: int
    transitions: int
    ends: int
    violation: str | None = None
    trace: tuple[str, ...] = ()


class Explored(NamedTuple, Generic[S]):
    """`parents`: state → (label, state before), in the order of discovery; `before`: the edges backwards."""

    parents: dict[S, tuple[str, S | None]]
    before: dict[S, list[S]]
    transitions: int


def check(
    start: S,
    *,
    successors: Callable[[S], Iterable[tuple[str, S]]],
    has_ended: Callable[[S], bool],
    assert_safe: Callable[[S], None],
) -> Report:
    """Explore everything. `successors` and `assert_safe` raise AssertionError for what must not be."""
    found: Explored[S] = Explored({start: ("start", None)}, {start: []}, 0)
    queue = deque([start])
    transitions = 0
    while queue:
        state = reached = queue.popleft()
        try:
            for label, following in successors(state):
                transitions += 1
                if following not in found.parents:
                    found.parents[following] = (label, state)
                    found.before[following] = []
                    reached = following
                    assert_safe(following)
                    reached = state
                    queue.append(following)
                found.before[following].append(state)
        except AssertionError as error:
            trace = (*_way_to(found.parents, reached), f"then: {error}")
            return Report(len(found.parents), transitions, 0, f"unsafe: {error}", trace)
        assert len(found.parents) <= STATES_MAX, "the model is too large to be explored"
    return _check_ends(found, transitions, has_ended)


def _check_ends(found: Explored[S], transitions: int, has_ended: Callable[[S], bool]) -> Report:
    """Walk back from the ends; a state that is not met has no way to one."""
    ends = [state for state in found.parents if has_ended(state)]
    met = set(ends)
    queue = deque(ends)
    while queue:
        for state in found.before[queue.popleft()]:
            if state not in met:
                met.add(state)
                queue.append(state)
    stuck = next((state for state in found.parents if state not in met), None)
    report = Report(len(found.parents), transitions, len(ends))
    if stuck is None:
        return report
    trace = (*_way_to(found.parents, stuck), f"in: {stuck}")
    return report._replace(violation="stuck: no end can be reached any more", trace=trace)


def _way_to(parents: dict[S, tuple[str, S | None]], state: S | None) -> list[str]:
    labels: list[str] = []
    while state is not None:
        label, state = parents[state]
        labels.append(label)
    return labels[::-1]
