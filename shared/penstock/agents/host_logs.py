"""What attempts print while they share a process: each line goes to the attempt that printed it."""

import io
import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar

LINE_CHARS_MAX = 16 * 1024  # penstock.contracts.limits.LOG_LINE_BYTES_MAX; a longer one is sent in pieces


class LogOf:
    """The log of one attempt: whole lines are sent, the rest waits for its end."""

    __slots__ = ("_rest", "_send", "id")

    def __init__(self, id_: int, send: Callable[[int, str], None]) -> None:
        self.id = id_
        self._send = send
        self._rest = ""

    def write(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._send(self.id, line)
        while len(self._rest) > LINE_CHARS_MAX:
            self._send(self.id, self._rest[:LINE_CHARS_MAX])
            self._rest = self._rest[LINE_CHARS_MAX:]

    def end(self) -> None:
        if self._rest:
            self._send(self.id, self._rest)
            self._rest = ""


current_log: ContextVar[LogOf | None] = ContextVar("current_log", default=None)


class _Attributed(io.TextIOBase):
    """A sys.stdout or sys.stderr that knows whose line it is; a line of no attempt goes to the worker's."""

    def __init__(self, fallback: io.TextIOBase) -> None:
        self._fallback = fallback

    def write(self, text: str) -> int:
        log = current_log.get()
        if log is None:
            return self._fallback.write(text)
        log.write(text)
        return len(text)

    def flush(self) -> None:
        self._fallback.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fallback.fileno()


def attribute_prints() -> None:
    """From here on `print` and logging handlers write to the log of the attempt that calls them."""
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        new = _Attributed(old)
        setattr(sys, name, new)
        for reference in list(logging._handlerList):  # type: ignore[attr-defined]
            handler = reference()
            if isinstance(handler, logging.StreamHandler) and handler.stream is old:
                handler.setStream(new)
