"""An attempt's log: bytes to lines, within the limits of a line and of an attempt."""

from collections.abc import Callable

from agent_runner.modes.port import OnLog
from penstock.contracts.limits import LOG_BYTES_PER_ATTEMPT_MAX, LOG_LINE_BYTES_MAX, MIB

TAIL_BYTES_MAX = 64 * 1024  # of stderr, kept to find an error in
CUT_MARK = " … [line cut]"
FULL_MARK = f"[the log has reached its limit of {LOG_BYTES_PER_ATTEMPT_MAX // MIB} MiB; the rest is dropped]"


class AttemptLog:
    """Passes lines on until the attempt's limit, then one mark and no more."""

    __slots__ = ("_left", "_on_log")

    def __init__(self, on_log: OnLog) -> None:
        self._on_log = on_log
        self._left = LOG_BYTES_PER_ATTEMPT_MAX

    def line(self, text: str) -> None:
        if self._left <= 0:
            return
        if len(text) * 4 > LOG_LINE_BYTES_MAX:
            text = _cut(text)
        self._left -= len(text) + 1
        self._on_log("stderr", text if self._left > 0 else FULL_MARK)


class LineSplitter:
    """Makes lines of a stream's pieces and keeps the stream's tail. Never holds more than a line's limit."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self._is_skipping = False
        self.tail = b""

    def feed(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-TAIL_BYTES_MAX:]
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not self._is_skipping:
                self._send(line)
            self._is_skipping = False
        if len(self._rest) > LOG_LINE_BYTES_MAX:
            if not self._is_skipping:
                self._send(self._rest)
            self._is_skipping, self._rest = True, b""

    def end(self) -> None:
        if self._rest and not self._is_skipping:
            self._send(self._rest)
        self._rest = b""

    def _send(self, line: bytes) -> None:
        self._on_line(line[: LOG_LINE_BYTES_MAX + 1].decode("utf-8", "replace").rstrip("\r"))


def _cut(text: str) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= LOG_LINE_BYTES_MAX:
        return text
    return data[: LOG_LINE_BYTES_MAX - len(CUT_MARK.encode())].decode("utf-8", "ignore") + CUT_MARK
