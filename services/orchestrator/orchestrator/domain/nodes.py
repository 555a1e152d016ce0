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

    def get(self, name: str) -> T | None:
        value = self._overlay.get(name)
        return self._base.get(name) if value is None else value

    def __contains__(self, name: object) -> bool:
        return name in self._base or name in self._overlay

    def __len__(self) -> int:
        return len(self._base) + sum(name not in self._base for name in self._overlay)

    def __iter__(self) -> Iterator[str]:
        yield from self._base
        yield from (name for name in self._overlay if name not in self._base)

    def items(self) -> Iterator[tuple[str, T]]:
        return ((name, self[name]) for name in self)

    def with_changes(self, changes: Mapping[str, T]) -> "NodeMap[T]":
        """A new map with `changes` applied, and what is new in them added at the end."""
        overlay = {**self._overlay, **changes}
        if len(overlay) <= self._overlay_max:
            return NodeMap(self._base, overlay)
        return NodeMap({**self._base, **overlay})
