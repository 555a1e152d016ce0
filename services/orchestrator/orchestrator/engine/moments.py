"""When runs and their units began, as far as this process saw it: what durations are counted from.

Filled from committed facts alone. What another orchestrator committed is unknown here, and stays unknown.
"""

from uuid import UUID

UNITS_MAX = 100_000  # open units that are remembered, about 20 MB; beyond it the oldest runs are forgotten


class UnitMoments:
    """Seconds since the epoch, by the database's clock. `attempt` is the one that `offered` speaks of."""

    __slots__ = ("attempt", "first", "is_held", "offered")

    def __init__(self, first: float) -> None:
        self.first = first
        self.attempt = 0
        self.offered: float | None = None
        self.is_held = False  # a runner has the attempt


class RunMoments:
    __slots__ = ("began", "units")

    def __init__(self) -> None:
        self.began: float | None = None
        self.units: dict[str, UnitMoments] = {}


class Moments:
    """The moments of open runs, at most `units_max` of them."""

    def __init__(self, *, units_max: int = UNITS_MAX) -> None:
        self._units_max = units_max
        self._runs: dict[UUID, RunMoments] = {}
        self._size = 0  # units, and one for each run

    def __len__(self) -> int:
        return self._size

    def of(self, run: UUID) -> RunMoments:
        found = self._runs.get(run)
        if found is None:
            found = self._runs[run] = RunMoments()
            self._size += 1
            while self._size > self._units_max and len(self._runs) > 1:
                self.forget(next(iter(self._runs)))
        return found

    def unit(self, run: RunMoments, name: str, *, at: float) -> UnitMoments:
        """The unit, which begins now if nobody has heard of it before."""
        found = run.units.get(name)
        if found is None:
            found = run.units[name] = UnitMoments(at)
            self._size += 1
        return found

    def end_unit(self, run: RunMoments, name: str) -> UnitMoments | None:
        ended = run.units.pop(name, None)
        self._size -= ended is not None
        return ended

    def forget(self, run: UUID) -> None:
        forgotten = self._runs.pop(run, None)
        if forgotten is not None:
            self._size -= 1 + len(forgotten.units)
