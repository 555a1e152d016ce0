"""Changes to breakers that a transaction has locked, and what people ask of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from orchestrator.domain.breaker import Breaker, BreakerState, close, free_permits, open_by_hand
from orchestrator.domain.breaker_keys import DEPENDENCY, is_key
from orchestrator.store.breakers import (
    WOKEN_MAX,
    BreakerEventWrite,
    Key,
    Locked,
    add_missing,
    breaker_write,
    known_keys,
    lock,
    save_breakers,
    wake,
)
from penstock.contracts.errors import InvalidInput, NotFound, Unavailable
from penstock.contracts.value import replace
from penstock.contracts.workflow import BreakerPolicy
from penstock.telemetry import metrics

ITSELF = "penstock"  # who changes a breaker when no person does


class Changes:
    """Breakers that are locked, what becomes of them, and what there is to tell."""

    def __init__(self, connection: asyncpg.Connection, locked: Locked) -> None:
        self.now = locked.now
        self.breakers = dict(locked.breakers)
        self._before = locked.breakers
        self._connection = connection
        self._has_default_policy = set(locked.default_policy)
        self._events: list[BreakerEventWrite] = []

    def put(self, key: Key, breaker: Breaker, reason: str = "", *, by: str = ITSELF) -> None:
        """The breaker's new value; a change of its state is told with its reason."""
        before = self.breakers[key]
        self.breakers[key] = breaker
        if breaker.policy != before.policy:
            self._has_default_policy.discard(key)
        if breaker.state is not before.state or by != ITSELF:
            self._events.append(BreakerEventWrite(*key, before.state, breaker.state, by, reason))
        if breaker.state is not before.state:
            metrics.BREAKER_CHANGES.labels(breaker.state).inc()

    def use_default_policy(self, key: Key) -> None:
        self._has_default_policy.add(key)

    async def save(self) -> None:
        """Before the runs: breakers come first in the order of locks."""
        writes = [
            breaker_write(key, breaker, default_policy=key in self._has_default_policy)
            for key, breaker in self.breakers.items()
            if breaker != self._before[key]
        ]
        if writes or self._events:
            await save_breakers(self._connection, writes, self._events)

    async def wake(self) -> None:
        """After the runs: whom the breakers hold back comes in growing steps, not all at once."""
        for key, breaker in self.breakers.items():
            before = self._before[key]
            if breaker.state is BreakerState.CLOSED and before.state is not BreakerState.CLOSED:
                await wake(self._connection, key, count=WOKEN_MAX, step=before.step)
            elif free := free_permits(breaker, now=self.now):
                await wake(self._connection, key, count=free, step=free)


class BreakerControl:
    """What people do with breakers; each change is kept with who made it and why."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def open(self, project: str, key: str, *, by: str, reason: str, lasting: timedelta | None) -> None:
        """Also one that was never asked yet, if it is a dependency's."""
        if key.startswith(DEPENDENCY) and is_key(key):
            await add_missing(self._pool, [(project, key)])
        async with self._changing(project, key) as changes:
            opened = open_by_hand(changes.breakers[project, key], now=changes.now, lasting=lasting)
            changes.put((project, key), opened, reason, by=by)

    async def close(self, project: str, key: str, *, by: str, reason: str) -> None:
        async with self._changing(project, key) as changes:
            changes.put((project, key), close(changes.breakers[project, key]), reason, by=by)

    async def reset(self, project: str, key: str, *, by: str, reason: str) -> None:
        """Closed, as if it had never been asked, with the policy that it had at first."""
        async with self._changing(project, key) as changes:
            changes.put((project, key), Breaker(), reason, by=by)
            changes.use_default_policy((project, key))

    async def set_policy(
        self, project: str, key: str, policy: BreakerPolicy, *, by: str, reason: str
    ) -> None:
        """For the whole project. Raises InvalidInput for a breaker whose policy is in a definition."""
        if not key.startswith(DEPENDENCY):
            raise InvalidInput.at(
                "key", f"the policy of '{key}' is in the workflow's definition: change it there"
            )
        if is_key(key):
            await add_missing(self._pool, [(project, key)])
        async with self._changing(project, key) as changes:
            changed = replace(changes.breakers[project, key], policy=policy)
            changes.put((project, key), changed, reason, by=by)

    @asynccontextmanager
    async def _changing(self, project: str, key: str) -> AsyncIterator[Changes]:
        """The breaker, locked; saved at the end. Raises NotFound, Unavailable."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                locked = await lock(connection, [(project, key)])
                if not locked.breakers:
                    raise NotFound("breaker", key, await known_keys(connection, project))
                changes = Changes(connection, locked)
                yield changes
                await changes.save()
                await changes.wake()
        except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError) as error:
            raise Unavailable(f"the database does not answer: {error!r}") from error
