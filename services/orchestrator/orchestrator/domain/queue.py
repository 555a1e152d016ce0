"""Who is next: offers that wait, in turn by project, and within a project by priority and arrival.

Priority orders the work of one project only: nobody gets ahead of another project by calling everything urgent.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

DROPPED_MAX = 1_000  # places of what no longer waits that a line may hold, beside as many as do wait


class FairQueue(Generic[K]):
    """Each `take` serves the next project in turn: its most urgent key (1 before 9), and of those the oldest."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, deque[K]]] = {}  # project → priority → keys, the next one first
        self._turns: deque[str] = deque()  # every project with a line, the next one first
        self._waiting: set[K] = set()  # what a line holds beyond these was dropped
        self._places = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: K) -> bool:
        return key in self._waiting

    @property
    def places(self) -> int:
        """How many keys the lines hold, those that were dropped among them."""
        return self._places

    def put(self, key: K, *, project: str, priority: int, first: bool = False) -> None:
        """Let `key` wait, `first` among its project's of that priority; one that waits keeps its place."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        self._places += 1
        if project not in self._lines:
            self._lines[project] = {}
            self._turns.append(project)
        line = self._lines[project].setdefault(priority, deque())
        if first:
            line.appendleft(key)
        else:
            line.append(key)

    def drop(self, key: K) -> bool:
        """Whether it waited; it does no longer."""
        if key not in self._waiting:
            return False
        self._waiting.remove(key)
        if self._places > 2 * len(self._waiting) + DROPPED_MAX:
            self._sweep()
        return True

    def take(self, may_go: Callable[[str], bool]) -> tuple[str, K] | None:
        """The next project that `may_go`, and its next key; None when there is none."""
        for _ in range(len(self._turns)):
            project = self._turns[0]
            if not may_go(project):
                self._turns.rotate(-1)
                continue
            key = self._pop(project)
            if project in self._lines:
                self._turns.rotate(-1)
            if key is not None:
                self._waiting.remove(key)
                return project, key
        return None

    def _pop(self, project: str) -> K | None:
        """The next key of the project, which has a turn; without any left, it has none any more."""
        line = self._lines[project]
        found = None
        while line and found is None:
            priority = min(line)
            key = line[priority].popleft()
            self._places -= 1
            found = key if key in self._waiting else None
            if not line[priority]:
                del line[priority]
        if not line:
            del self._lines[project]
            self._turns.popleft()
        return found

    def _sweep(self) -> None:
        """Forget the places of what was dropped."""
        for project, line in list(self._lines.items()):
            for priority, keys in list(line.items()):
                line[priority] = deque(key for key in dict.fromkeys(keys) if key in self._waiting)
                if not line[priority]:
                    del line[priority]
            if not line:
                del self._lines[project]
                self._turns.remove(project)
        self._places = sum(len(keys) for line in self._lines.values() for keys in line.values())
