"""Who is next: projects in turn, within a project by priority and arrival."""

import sys

import pytest

from orchestrator.domain.queue import FairQueue
from orchestrator.domain.rate import admit


def anybody(_: str) -> bool:
    return True


def drained(queue: FairQueue[str]) -> list[str]:
    keys = []
    while (turn := queue.take(anybody)) is not None:
        keys.append(turn[1])
    return keys


def filled(*keys: str, priority: int = 5) -> FairQueue[str]:
    """`loud-1` is a key of project `loud`."""
    queue: FairQueue[str] = FairQueue()
    for key in keys:
        queue.put(key, project=key.partition("-")[0], priority=priority)
    return queue


def test_a_single_key_of_another_project_stands_behind_one_of_a_burst() -> None:
    queue = filled(*(f"loud-{number}" for number in range(10_000)))
    queue.put("quiet-0", project="quiet", priority=9)

    first = [queue.take(anybody) for _ in range(3)]

    assert [turn[1] for turn in first if turn] == ["loud-0", "quiet-0", "loud-1"]
    assert len(queue) == 9_998


def test_projects_take_turns_by_rank_within_the_project() -> None:
    queue = filled("a-0", "a-1", "a-2", "b-0", "c-0", "b-1")

    assert drained(queue) == ["a-0", "b-0", "c-0", "a-1", "b-1", "a-2"]


def test_within_a_project_the_urgent_comes_first_and_equals_by_arrival() -> None:
    queue = filled("a-0", "a-1")
    queue.put("a-late", project="a", priority=9)
    queue.put("a-urgent", project="a", priority=1)
    queue.put("a-again", project="a", priority=5, first=True)

    assert drained(queue) == ["a-urgent", "a-again", "a-0", "a-1", "a-late"]


def test_priority_gets_nobody_ahead_of_another_project() -> None:
    queue = filled("loud-0", "loud-1", "loud-2", priority=1)
    queue.put("quiet-0", project="quiet", priority=9)

    assert drained(queue).index("quiet-0") == 1


def test_a_project_that_may_not_go_keeps_its_place_and_holds_nobody_up() -> None:
    queue = filled("full-0", "full-1", "b-0", "b-1")

    assert queue.take(lambda project: project != "full") == ("b", "b-0")
    assert queue.take(lambda project: project == "nobody") is None
    assert drained(queue) == ["full-0", "b-1", "full-1"]


def test_what_was_dropped_is_not_taken_and_what_comes_twice_is_taken_once() -> None:
    queue = filled("a-0", "a-1", "a-1", "b-0")

    assert queue.drop("a-0")
    assert not queue.drop("a-0")
    queue.put("a-0", project="a", priority=5)

    assert sorted(drained(queue)) == ["a-0", "a-1", "b-0"]
    assert queue.take(anybody) is None


def test_what_is_put_and_dropped_for_ever_takes_no_room() -> None:
    queue = filled("a-stays")
    for number in range(20_000):
        queue.put(f"a-{number}", project="a", priority=5)
        queue.drop(f"a-{number}")

    assert queue.places < 2_000
    assert drained(queue) == ["a-stays"]


def test_a_hundred_thousand_wait_in_little_memory() -> None:
    queue = filled(*(f"p{number % 100}-{number}" for number in range(100_000)))

    held = sys.getsizeof(queue._waiting) + sum(
        sys.getsizeof(keys) for line in queue._lines.values() for keys in line.values()
    )

    assert held / 100_000 < 130  # bytes each, beside the key: two words for the run and the node
    assert len(drained(queue)) == 100_000


@pytest.mark.parametrize("per_second", [1, 10, 250])
def test_a_rate_admits_one_second_at_once_and_then_its_share(per_second: int) -> None:
    until, admitted, now = 0.0, [], 1_000.0
    for tick in range(3 * per_second * 4):
        at = now + tick / (4 * per_second)  # four times too fast
        until, wait = admit(until, now=at, per_second=per_second)
        admitted.append(wait == 0)

    assert sum(admitted) == pytest.approx(
        4 * per_second, abs=2
    )  # one second's worth at once, then three seconds


def test_who_waits_as_long_as_told_is_admitted() -> None:
    until = 0.0
    for _ in range(5):
        until, _ = admit(until, now=100.0, per_second=5)

    same, wait = admit(until, now=100.0, per_second=5)

    assert same == until
    assert wait == pytest.approx(0.2)
    assert admit(until, now=100.0 + wait, per_second=5)[1] == 0
