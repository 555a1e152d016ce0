"""What alerts do to the engine: ordered from their wishes, done through the orchestrator's API, undone later."""

import asyncio
from datetime import timedelta

import structlog

from notifier.alerts.action import Action, Outcome
from notifier.alerts.orchestrator import Away, Orchestrator, Refused
from notifier.alerts.port import ActionStore
from penstock.telemetry import metrics

ACTIONS_MAX = 10  # at once
LEASE = timedelta(seconds=30)  # longer than a try can take: two calls of at most 10 s
DELAY_S_MAX = 60.0  # between tries while the orchestrator is away

log = structlog.get_logger(__name__)


class Acting:
    """Does what is due. A try that was cut off is made again, and sees what the first one did."""

    def __init__(self, store: ActionStore, orchestrator: Orchestrator) -> None:
        self._store = store
        self._orchestrator = orchestrator

    async def __call__(self) -> None:
        await self._store.order()
        while actions := await self._store.claim(limit=ACTIONS_MAX, lease=LEASE):
            await asyncio.gather(*map(self._try, actions))

    async def _try(self, action: Action) -> None:
        try:
            outcome, detail, acted = await self._orchestrator.carry_out(action)
        except Away as error:
            delay = min(2.0 ** (action.tries - 1), DELAY_S_MAX)
            self._tell(action, "failed", str(error))
            await self._store.postpone(action, delay=timedelta(seconds=delay), reason=str(error))
            return
        except Refused as error:
            outcome, detail, acted = Outcome.REFUSED, str(error), False
        await self._store.record(action, outcome=outcome, detail=detail, acted=acted)
        self._tell(action, outcome, detail)

    def _tell(self, action: Action, outcome: str, detail: str) -> None:
        metrics.ALERT_ACTIONS.labels(action.verb, outcome).inc()
        log.info(
            "alerts.action",
            action=action.verb,
            undo=action.undo,
            target=action.target,
            project=action.project,
            source=action.source,
            alert=action.alert,
            outcome=outcome,
            detail=detail,
        )
