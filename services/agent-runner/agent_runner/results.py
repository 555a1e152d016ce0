"""Results: gathered, packed, and published until the bus has them."""

import asyncio
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog

from penstock.bus.publisher import NotAcknowledged, Publisher
from penstock.contracts import subjects
from penstock.contracts.limits import KIB, MESSAGE_BYTES_MAX, RESULTS_PER_MESSAGE_MAX
from penstock.contracts.messages import Result
from penstock.contracts.wire import encode
from penstock.telemetry import metrics

PUBLICATION_RESULTS_MAX = 1_024  # results in one publication: several messages, one wait
_ENVELOPE_BYTES = 4 * KIB  # around the results of one message: the runner's name, headers
_PAUSE_S = 0.1
_PAUSE_S_MAX = 2.0

log = structlog.get_logger(__name__)

Encoded = tuple[UUID, bytes]


class ResultPublisher:
    """What gathers while one publication is in flight goes into the next.

    `on_published` is called with each result's token once the bus has it: only then may it be forgotten.
    """

    def __init__(
        self, publisher: Publisher, *, runner: str, pool: str, on_published: Callable[[UUID], None]
    ) -> None:
        self._publisher = publisher
        self._runner = runner
        self._subject = subjects.done(pool)
        self._on_published = on_published
        self._waiting: list[Encoded] = []
        self._in_flight = 0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Results that the bus does not have yet."""
        return len(self._waiting) + self._in_flight

    def add(self, result: Result) -> None:
        self._waiting.append((result.token, encode(result)))
        self._empty.clear()
        self._wake.set()

    async def published(self) -> None:
        """Wait until the bus has everything."""
        await self._empty.wait()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._waiting[:PUBLICATION_RESULTS_MAX]
                del self._waiting[:PUBLICATION_RESULTS_MAX]
                await self._publish(batch)
            self._empty.set()

    async def _publish(self, batch: list[Encoded]) -> None:
        self._in_flight = len(batch)
        messages = [(self._subject, message) for message in pack(batch, runner=self._runner)]
        pause_s = _PAUSE_S
        while True:
            try:
                await self._publisher.publish(messages)
                break
            except (NotAcknowledged, OSError) as error:
                log.warning("results.not_published", results=len(batch), reason=str(error))
            except Exception:
                log.exception("results.not_published", results=len(batch))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_S_MAX)
        metrics.RUNNER_RESULTS.inc(len(batch))
        self._in_flight = 0
        for token, _ in batch:
            self._on_published(token)


def pack(results: Iterable[Encoded], *, runner: str) -> list[bytes]:
    """As few messages as the limits of one allow. A result is far smaller than a message may be."""
    messages: list[bytes] = []
    gathered: list[bytes] = []
    size = _ENVELOPE_BYTES
    for _, result in results:
        too_many = len(gathered) == RESULTS_PER_MESSAGE_MAX
        if gathered and (too_many or size + len(result) + 1 > MESSAGE_BYTES_MAX):
            messages.append(_message(runner, gathered))
            gathered, size = [], _ENVELOPE_BYTES
        gathered.append(result)
        size += len(result) + 1
    if gathered:
        messages.append(_message(runner, gathered))
    return messages


def _message(runner: str, results: list[bytes]) -> bytes:
    """A `Results`, made of results that are already encoded."""
    return b'{"runner":%s,"results":[%s]}' % (encode(runner), b",".join(results))
