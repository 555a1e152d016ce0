"""Which of the traces that begin here are kept."""

import random
import time
from collections.abc import Callable


class Sampler:
    """A share of all, and of those at most so many a second (None: no limit).

    A sampled run of ten nodes costs about a millisecond of the processor: under a burst a share alone would take
    from the work, and a few traces a second already show what is typical.
    """

    def __init__(
        self,
        ratio: float,
        *,
        per_second_max: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ratio = ratio
        self._per_second_max = per_second_max
        self._clock = clock
        self._left = per_second_max or 0.0
        self._filled_at = clock()

    def __call__(self) -> bool:
        return random.random() < self._ratio and (
            self._per_second_max is None or self._take(self._per_second_max)
        )

    def _take(self, per_second_max: float) -> bool:
        now = self._clock()
        filled = self._left + (now - self._filled_at) * per_second_max
        self._left, self._filled_at = min(per_second_max, filled), now
        if self._left < 1:
            return False
        self._left -= 1
        return True
