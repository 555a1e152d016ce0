"""How fast each project may start runs. Counted in memory, so each orchestrator allows the rate by itself."""

import time
from collections.abc import Callable

from orchestrator.domain.rate import admit
from orchestrator.engine.capacity import Capacity

PROJECTS_MAX = 10_000  # then those that have been quiet are forgotten: anybody may make up names


class StartRate:
    """The rate of the settings for every project, unless a limit of its own was set."""

    def __init__(
        self, capacity: Capacity, *, per_second: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._clock = clock
        self._full_until: dict[str, float] = {}

    def per_second(self, project: str) -> int | None:
        """How many runs the project may start in a second; None: any number."""
        own = self._capacity.starts_per_second(project)
        return self._per_second if own is None else own

    def seconds_to_wait(self, project: str) -> float:
        """0: the project may start a run, and has. Else: after how long to ask again."""
        per_second = self.per_second(project)
        if per_second is None:
            return 0.0
        now = self._clock()
        self._full_until[project], wait = admit(
            self._full_until.get(project, 0.0), now=now, per_second=per_second
        )
        if len(self._full_until) > PROJECTS_MAX:
            self._full_until = {name: until for name, until in self._full_until.items() if until > now}
        return wait
