"""What the doors may ask of circuit breakers; `Queries` reads them."""

from datetime import timedelta
from typing import Protocol

from penstock.contracts.workflow import BreakerPolicy


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
