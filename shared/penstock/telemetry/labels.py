"""Values that people name, made safe as labels: only so many different ones, the rest is `other`.

A project, a workflow or an agent can be made by a request; without a bound, whoever makes enough of them
fills the memory of every Prometheus that scrapes us.
"""

OTHER = "other"
VALUES_MAX = 200  # of one label: 200 workflows × 10 agents stay below what one Prometheus takes with ease


class Bounded:
    """The first `values_max` tuples are themselves; later ones are all `other`."""

    def __init__(self, *, values_max: int = VALUES_MAX) -> None:
        self._known: set[tuple[str, ...]] = set()
        self._values_max = values_max

    def __call__(self, *values: str) -> tuple[str, ...]:
        if values in self._known:
            return values
        if len(self._known) >= self._values_max:
            return (OTHER,) * len(values)
        self._known.add(values)
        return values
