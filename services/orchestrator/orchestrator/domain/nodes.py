"""A persistent map: changing one entry costs √size, and the old map stays as it was."""

from collections.abc import Iterator, Mapping
from math import isqrt
from typing import Generic, TypeVar

T = TypeVar("T")


class NodeMap(Generic[T]):
    """Name → value, immutable. A large shared base under a small overlay that is folded in when it grows."""

    __slots__ = ("_base", "_overlay", "_overlay_max")

    def __init__(self, base: Mapping[str, T], overlay: Mapping[str, T] | None = None) -> None:
        self._base = base
        self._overlay = overlay or {}
        self._overlay_max = max(16, isqrt(len(base)))

    def __getitem__(self, name: str) -> T:
        value = self._overlay.get(name)
        return self._base[name] if value is None else value

    def __contains__(self, name: object) -> bool:
        return name in self._base

    def __len__(self) -> int:
        return len(self._base)

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def items(self) -> Iterator[tuple[str, T]]:
        return ((name, self[name]) for name in self._base)

    def with_changes(self, changes: Mapping[str, T]) -> "NodeMap[T]":
        """A new map with `changes` applied; every name must be known."""
        assert all(name in self._base for name in changes), "a node that the plan does not have"
        overlay = {**self._overlay, **changes}
        if len(overlay) <= self._overlay_max:
            return NodeMap(self._base, overlay)
        return NodeMap({**self._base, **overlay})
