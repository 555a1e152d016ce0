"""In which order what succeeded is undone, remembered: each of 10,000 steps must not look at 10,000 units."""


class UndoOrder:
    """Names of what can be undone, the last to succeed first; the first `place` of them are done with.

    A memory and no part of a run's value: it equals any other, also none, and whoever has none works it out anew.
    """

    __slots__ = ("names", "place")

    def __init__(self, names: tuple[str, ...], place: int = 0) -> None:
        self.names = names
        self.place = place

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, UndoOrder)

    def __hash__(self) -> int:
        return 0

    def at(self, place: int) -> "UndoOrder":
        return UndoOrder(self.names, place)
