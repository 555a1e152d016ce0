"""Everything about alerts, put together: the intake for the door, and the loops that go on behind it."""

from dataclasses import dataclass

import httpx

from notifier.alerts.acting import Acting
from notifier.alerts.inbox import Inbox
from notifier.alerts.intake import Intake
from notifier.alerts.orchestrator import Orchestrator
from notifier.alerts.port import ActionStore, AlertStore
from notifier.alerts.publishing import Outbox
from notifier.alerts.retention import EVERY_S as RETENTION_EVERY_S
from notifier.alerts.retention import Retention
from penstock.bus.publisher import Publisher
from penstock.clock import Loop

EVERY_S = 1.0  # hold times end, and what failed is tried again, to the second


@dataclass(frozen=True)
class AlertRoom:
    """`intake` takes webhooks and wakes the loops; any number of notifiers may run them."""

    intake: Intake
    loops: tuple[Loop, ...]


def alert_room(
    *,
    alerts: AlertStore,
    actions: ActionStore,
    publisher: Publisher,
    inbox: Inbox,
    orchestrator: httpx.AsyncClient,
) -> AlertRoom:
    outbox = Loop(Outbox(alerts, publisher, inbox), every_s=EVERY_S)
    acting = Loop(Acting(actions, Orchestrator(orchestrator)), every_s=EVERY_S)

    def told() -> None:
        outbox.wake()
        acting.wake()

    retention = Loop(Retention(alerts), every_s=RETENTION_EVERY_S)
    return AlertRoom(Intake(alerts, told=told), (outbox, acting, retention))
