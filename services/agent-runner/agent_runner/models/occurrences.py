"""Which of several equal calls one is: with its fingerprint that names it in every attempt of its node."""

import heapq


class Occurrences:
    """Numbers equal calls of one attempt from 0. A number whose call got no answer is given to the next one:
    what counts is how often an agent was answered, not how often it had to ask."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._free: dict[str, list[int]] = {}

    def take(self, fingerprint: str) -> int:
        free = self._free.get(fingerprint)
        if free:
            return heapq.heappop(free)
        number = self._next.get(fingerprint, 0)
        self._next[fingerprint] = number + 1
        return number

    def give_back(self, fingerprint: str, number: int) -> None:
        heapq.heappush(self._free.setdefault(fingerprint, []), number)
