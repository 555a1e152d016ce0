"""How full the bus is, as gauges: what streams hold, and what their durable consumers have not taken."""

import nats.errors
import structlog
from nats.js.errors import NotFoundError
from prometheus_client import Gauge

from penstock.bus.connection import Bus
from penstock.contracts.subjects import STREAMS
from penstock.telemetry import metrics
from penstock.telemetry.figures import Figures, add, show
from penstock.telemetry.labels import Bounded

TIMEOUT_S = 2.0

_SHOWN = (
    metrics.BUS_PENDING,
    metrics.BUS_ACK_PENDING,
    metrics.BUS_STREAM_MESSAGES,
    metrics.BUS_STREAM_BYTES,
)

log = structlog.get_logger(__name__)


class BusGauges:
    """What JetStream tells. A bus that is away has no figures, and `penstock_bus_up` is 0."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._consumer = Bounded()  # one for each pool; whoever makes pools must not fill our memory
        metrics.BUS_UP.set_function(lambda: bus.is_connected)

    async def __call__(self) -> None:
        found: dict[Gauge, Figures] = {gauge: {} for gauge in _SHOWN}
        if self._bus.is_connected:
            try:
                await self._look(found)
            except (nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("gauges.bus_away", reason=repr(error))
                found = {gauge: {} for gauge in _SHOWN}
        for gauge, figures in found.items():
            show(gauge, figures)

    async def _look(self, found: dict[Gauge, Figures]) -> None:
        jetstream = self._bus.client.jetstream(timeout=TIMEOUT_S)
        for stream in STREAMS:
            try:
                state = (await jetstream.stream_info(stream.name)).state
                consumers = await jetstream.consumers_info(stream.name)
            except NotFoundError:
                continue  # whoever needs it will declare it
            found[metrics.BUS_STREAM_MESSAGES][stream.name,] = state.messages
            found[metrics.BUS_STREAM_BYTES][stream.name,] = state.bytes
            for consumer in consumers:
                if consumer.config.durable_name is None:
                    continue  # somebody's for a while, under a random name
                labels = self._consumer(stream.name, consumer.name)
                add(found[metrics.BUS_PENDING], labels, consumer.num_pending or 0)
                add(found[metrics.BUS_ACK_PENDING], labels, consumer.num_ack_pending or 0)
