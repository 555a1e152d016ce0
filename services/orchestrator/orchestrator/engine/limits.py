"""Limits as operators see them, and what a door may ask of whoever keeps them."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from penstock.contracts.value import Value


class LimitScope(StrEnum):
    """What a limit is about: attempts that run at once, of a project or in a pool; starts of runs in a second."""

    PROJECT = "project"
    POOL = "pool"
    STARTS = "starts"


class LimitView(Value, frozen=True):
    """`name`: the project or the pool. `running`: attempts that count now; null where nothing runs (`starts`)."""

    scope: LimitScope
    name: str
    maximum: int
    running: int | None
    set_at: datetime


class LimitsView(Value, frozen=True):
    items: tuple[LimitView, ...]


class Limits(Protocol):
    """Keeps limits. What is set counts at once in this orchestrator, within a second in the others."""

    async def list(self) -> LimitsView: ...

    async def set(self, scope: LimitScope, name: str, maximum: int) -> LimitView: ...

    async def unset(self, scope: LimitScope, name: str) -> None:
        """Raises NotFound."""
        ...
