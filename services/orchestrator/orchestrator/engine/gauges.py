"""The state of the world as gauges, looked at by a slow clock: what waits, who is there, what is away.

Every orchestrator shows the same world, so a query takes the maximum of them and not the sum. A label value that
vanishes from the world vanishes here; of a database that does not answer nothing is shown but that.
"""

import asyncpg
import structlog

from orchestrator.domain.breaker import BreakerState
from orchestrator.domain.unit import undo_name
from orchestrator.engine.observer import Observer
from orchestrator.engine.plans import Plans
from orchestrator.engine.relay import Relay
from orchestrator.store.figures import (
    ReadyCount,
    breaker_states,
    living_runners,
    ready_attempts,
    seconds_taken,
    unsettled_runs,
)
from penstock.contracts.errors import NotFound
from penstock.patience import within
from penstock.postgres.errors import DATABASE_AWAY
from penstock.postgres.pool import show_connections
from penstock.telemetry import metrics
from penstock.telemetry.figures import Figures, add, show
from penstock.telemetry.labels import Bounded

LOOK_S_MAX = 10.0  # a look takes milliseconds; a database that is frozen must not be shown as up for a minute
POOLS_KNOWN_MAX = 10_000  # nodes whose pool is remembered
READ_AT_ONCE_MAX = 1_000  # runs whose beginning one look reads

_BREAKER_VALUES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}
_OF_DATABASE = (
    metrics.RUNS_OPEN,
    metrics.READY_NODES,
    metrics.READY_OLDEST_SECONDS,
    metrics.POOL_RUNNERS,
    metrics.BREAKER_STATE,
)

log = structlog.get_logger(__name__)


class DatabaseGauges:
    """What the database knows."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        plans: Plans,
        relay: Relay,
        observer: Observer,
        *,
        patience_s: float = LOOK_S_MAX,
    ) -> None:
        self._pool, self._plans, self._relay, self._observer = pool, plans, relay, observer
        self._patience_s = patience_s
        self._pools: dict[tuple[str, str, int, str, bool], str] = {}
        self._project, self._pool_name, self._breaker = Bounded(), Bounded(), Bounded()
        show_connections(pool)

    async def __call__(self) -> None:
        try:
            await within(self._patience_s, self._look())
        except DATABASE_AWAY as error:
            log.warning("gauges.database_away", reason=repr(error))
            metrics.DATABASE_UP.set(0)
            metrics.RELAY_LAG_SECONDS.set(self._relay.lag_s)
            for gauge in _OF_DATABASE:
                gauge.clear()
        else:
            metrics.DATABASE_UP.set(1)

    async def _look(self) -> None:
        await self._runs()
        await self._pools_in_use()
        await self._breakers()
        await self._unread()

    async def _runs(self) -> None:
        counts = await unsettled_runs(self._pool)
        runs: Figures = {}
        for count in counts:
            if count.open:
                add(runs, (*self._project(count.project), count.state), count.runs)
        show(metrics.RUNS_OPEN, runs)
        lags = [count.lag_s for count in counts if count.lag_s is not None]
        metrics.RELAY_LAG_SECONDS.set(max([self._relay.lag_s, *lags]))

    async def _pools_in_use(self) -> None:
        """A pool with work and without a runner has 0 runners, so that an alert can see it."""
        runners: Figures = {}
        ready: Figures = {}
        oldest: Figures = {}
        for pool, living in (await living_runners(self._pool)).items():
            add(runners, self._pool_name(pool), living)
        for count in await ready_attempts(self._pool):
            its_pool = await self._pool_of(count)
            if its_pool is None:
                continue
            labels = self._pool_name(its_pool)
            add(ready, labels, count.attempts)
            oldest[labels] = max(count.oldest_s, oldest.get(labels, 0.0))
        show(metrics.POOL_RUNNERS, dict.fromkeys(ready, 0.0) | runners)
        idle = dict.fromkeys(runners, 0.0)
        show(metrics.READY_NODES, idle | ready)
        show(metrics.READY_OLDEST_SECONDS, idle | oldest)

    async def _pool_of(self, count: ReadyCount) -> str | None:
        """None: its version is gone."""
        key = (count.project, count.workflow, count.version, count.node, count.is_undo)
        known = self._pools.get(key)
        if known is not None:
            return known
        try:
            plan = await self._plans.get(
                project=count.project, workflow=count.workflow, version=count.version
            )
            known = plan.work(undo_name(count.node) if count.is_undo else count.node).pool
        except (NotFound, KeyError):
            return None
        if len(self._pools) >= POOLS_KNOWN_MAX:
            self._pools.clear()
        self._pools[key] = known
        return known

    async def _breakers(self) -> None:
        states: Figures = {}
        for project, key, state in await breaker_states(self._pool):
            labels = self._breaker(project, key)
            states[labels] = max(_BREAKER_VALUES[BreakerState(state)], states.get(labels, 0))
        show(metrics.BREAKER_STATE, states)

    async def _unread(self) -> None:
        """How long runs took that another orchestrator had begun."""
        unread = self._observer.unread
        some = list(unread)[:READ_AT_ONCE_MAX]
        seconds = await seconds_taken(self._pool, some) if some else {}
        for run in some:
            ended = unread.pop(run)
            if run in seconds:
                ended.observe(seconds[run])
