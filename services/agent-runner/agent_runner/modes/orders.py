"""An attempt that a hosted worker has been given: its future, its log, its time, and why it was stopped."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from agent_runner.modes.exits import failure_of
from agent_runner.modes.logs import AttemptLog
from agent_runner.modes.port import Attempt, Ended, OnLog
from agent_runner.modes.stopping import output_failure
from penstock.contracts.failure import Failure
from penstock.contracts.frames import Reply


class HeldOrder:
    """Ends exactly once: by its reply, or by the end of its worker."""

    __slots__ = (
        "_began",
        "_output_bytes_max",
        "_tier",
        "_timer",
        "attempt",
        "future",
        "id",
        "log",
        "stopped_for",
        "timeout_s",
    )

    def __init__(self, id_: int, attempt: Attempt, on_log: OnLog, *, tier: str) -> None:
        self.id = id_
        self.attempt = attempt
        self.log = AttemptLog(on_log)
        self.timeout_s = attempt.order.timeout_s
        self.stopped_for: Failure | None = None
        self.future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._began = time.monotonic()
        self._output_bytes_max = attempt.manifest.sandbox.output_bytes
        self._tier = tier
        self._timer: asyncio.TimerHandle | None = None

    def set_timer(self, seconds: float, call: Callable[["HeldOrder"], None]) -> None:
        """Replaces the timer that was there: first the attempt's time, then the grace after a stop."""
        self._drop_timer()
        self._timer = self.future.get_loop().call_later(seconds, call, self)

    def end_by(self, reply: Reply) -> None:
        """A result that comes after the attempt was told to stop comes too late."""
        if self.stopped_for is not None:
            self._end(None, self.stopped_for, reply)
        elif reply.error is not None:
            self._end(None, failure_of(reply.error), reply)
        elif len(reply.output) > self._output_bytes_max:
            self._end(None, output_failure(self._output_bytes_max), reply)
        else:
            self._end(bytes(reply.output), None, reply)

    def fail(self, failure: Failure) -> None:
        """The worker is gone. What the attempt was stopped for says more than that."""
        self._end(None, self.stopped_for or failure, None)

    def _end(self, output: bytes | None, failure: Failure | None, reply: Reply | None) -> None:
        self._drop_timer()
        if self.future.done():  # its caller has gone
            return
        self.future.set_result(
            Ended(
                output=output,
                failure=failure,
                seconds=time.monotonic() - self._began,
                cpu_s=reply.cpu_s if reply else None,
                memory_bytes=reply.memory_bytes if reply else None,
                tier=self._tier,
            )
        )

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def one_line(document: bytes) -> msgspec.Raw:
    """A frame is one line; JSON that somebody wrapped is unwrapped, which leaves its values as they are."""
    return msgspec.Raw(document if b"\n" not in document else msgspec.json.format(document, indent=-1))
