"""What the doors may ask of circuit breakers: `Breakers` changes them, `BreakerQueries` is a part of `Queries`."""

from datetime import timedelta
from typing import Protocol

from orchestrator.engine.breaker_views import BreakerDetail, BreakersView
from penstock.contracts.workflow import BreakerPolicy


class BreakerQueries(Protocol):
    """Reads for people."""

    async def breakers(self, project: str, *, state: str | None) -> BreakersView:
        """Those that were ever asked, by key; of all states if `state` is None."""
        ...

    async def breaker(self, project: str, key: str) -> BreakerDetail:
        """Raises NotFound with the nearest key."""
        ...


class Breakers(Protocol):
    """What people do with circuit breakers. Each raises NotFound with the nearest key, and Unavailable."""

    async def open(self, project: str, key: str, *, by: str, reason: str, lasting: timedelta | None) -> None:
        """For `lasting`, then a probe; None: until it is closed. Also a dependency that was never asked."""
        ...

    async def close(self, project: str, key: str, *, by: str, reason: str) -> None: ...

    async def reset(self, project: str, key: str, *, by: str, reason: str) -> None: ...

    async def set_policy(
        self, project: str, key: str, policy: BreakerPolicy, *, by: str, reason: str
    ) -> None:
        """Raises InvalidInput for a node's breaker: its policy is in the definition."""
        ...
