"""The parts of the deliveries, put together."""

from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg

from notifier.channels.kinds import Means
from notifier.channels.outbound import Outbound
from notifier.channels.threads import Threads
from notifier.deliveries.catalog import Catalog
from notifier.deliveries.control import DeliveryControl
from notifier.deliveries.document import DocumentReader
from notifier.deliveries.events import EventsDoor
from notifier.deliveries.file import FileSubscription, keep_section
from notifier.deliveries.forgetting import Forgetting
from notifier.deliveries.sender import Sender
from notifier.deliveries.telling import Teller
from penstock.bus.connection import Bus
from penstock.clock import Loop
from penstock.definition.expressions import Expressions
from penstock.network import Network
from penstock.telemetry.tracing import Tracing

MEASURE_EVERY_S = 5.0
FORGET_EVERY_S = 3600.0


class Runs(Protocol):
    def run(self) -> Awaitable[None]:
        """Until cancelled."""
        ...


@dataclass(frozen=True)
class DeliveryRoom:
    control: DeliveryControl
    loops: tuple[Runs, ...]


async def delivery_room(
    *,
    bus: Bus,
    pool: asyncpg.Pool,
    expressions: Expressions,
    networks: Sequence[Network],
    subscriptions: tuple[FileSubscription, ...],
    folder: Path,
    stack: AsyncExitStack,
    tracing: Tracing,
) -> DeliveryRoom:
    """`subscriptions` and `folder` are the configuration file's; `stack` closes what was opened."""
    outbound, threads = Outbound(networks), Threads()
    stack.callback(outbound.close)
    reader = DocumentReader(expressions)
    catalog = Catalog(pool, reader, Means(outbound, threads), folder=folder)
    await keep_section(pool, subscriptions)
    await catalog.fresh()
    teller = Teller(expressions.evaluate, tracing)
    sender = Sender(pool, catalog, teller)
    stack.push_async_callback(sender.drain)
    events = EventsDoor(bus, pool, catalog, expressions.evaluate, on_new=sender.wake)
    control = DeliveryControl(pool, catalog, reader, sender, teller)
    clocks = (
        Loop(sender.measure, every_s=MEASURE_EVERY_S),
        Loop(outbound.close_idle, every_s=MEASURE_EVERY_S),
        Loop(Forgetting(pool), every_s=FORGET_EVERY_S),
    )
    return DeliveryRoom(control, (events, sender, *clocks))
