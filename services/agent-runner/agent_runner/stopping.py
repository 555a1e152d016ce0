"""How a runner is told to stop: once to drain, twice to stop at once."""

import asyncio
import signal

import structlog

log = structlog.get_logger(__name__)


class Stop:
    """Set by SIGTERM and SIGINT. `drain` is set by the first, `at_once` by the second."""

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.at_once = asyncio.Event()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(which, self.tell)

    def tell(self) -> None:
        event = self.at_once if self.drain.is_set() else self.drain
        log.info("runner.told_to_stop", at_once=event is self.at_once)
        event.set()
