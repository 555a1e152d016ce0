"""What agents log: gathered by attempt, published in lists, dropped with a mark when the bus is away too long.

A log line is a limit, not a promise (design §6): no attempt ever waits for its log.
"""

import asyncio
from datetime import UTC, datetime

import structlog

from agent_runner.modes.logs import CUT_MARK
from agent_runner.redaction import Redaction
from penstock.bus.publisher import NotAcknowledged, Publisher
from penstock.contracts import subjects
from penstock.contracts.limits import KIB, MIB
from penstock.contracts.messages import LogLine, LogLines, StartNode
from penstock.contracts.wire import encode
from penstock.telemetry import metrics
from penstock.telemetry.log_fields import about_attempt
from penstock.telemetry.logs import Line, LineSink
from penstock.telemetry.traceparent import parse_traceparent

FLUSH_AFTER_S = 0.2  # a person who watches sees it as at once
MESSAGE_LINES_MAX = 100
MESSAGE_TEXT_BYTES_MAX = 64 * KIB  # of characters; escaped it stays below the bus's 1 MiB
WAITING_BYTES_MAX = 8 * MIB  # of all attempts together: what is held while the bus is away
PUBLICATION_MESSAGES_MAX = 64
_PAUSE_S = 0.5

log = structlog.get_logger(__name__)


class AttemptLog:
    """Takes the lines of one attempt: `attempt_log(stream, line)`."""

    __slots__ = ("_logs", "_redact", "dropped", "first", "lines", "order", "size")

    def __init__(self, logs: "Logs", order: StartNode, redact: Redaction) -> None:
        self._logs = logs
        self._redact = redact
        self.order = order
        self.first = 1  # the number of the next line to be published
        self.lines: list[LogLine] = []
        self.size = 0
        self.dropped = 0

    def __call__(self, stream: str, line: str) -> None:
        written = LogLine(datetime.now(UTC), _hidden(line, self._redact), stream)
        self._logs.add(self, written)
        self._logs.forward(self.order, written)


class Logs:
    """Gathers and publishes the lines of all attempts."""

    def __init__(self, publisher: Publisher, sink: LineSink | None = None) -> None:
        """`sink`: where lines go besides, each once."""
        self._publisher = publisher
        self._sink = sink
        self._dirty: dict[AttemptLog, None] = {}
        self._ready: list[tuple[str, bytes]] = []
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def of(self, order: StartNode, redact: Redaction) -> AttemptLog:
        return AttemptLog(self, order, redact)

    def add(self, attempt: AttemptLog, line: LogLine) -> None:
        if self._waiting_bytes >= WAITING_BYTES_MAX:
            attempt.dropped += 1
            metrics.RUNNER_LOG_LINES.labels("dropped").inc()
            return
        if attempt.dropped:
            self._append(attempt, _mark(attempt.dropped))
            attempt.dropped = 0
        self._append(attempt, line)

    def forward(self, order: StartNode, line: LogLine) -> None:
        """Give the line to those who collect logs; they get it also when the bus is away."""
        if self._sink is not None:
            self._sink.put(_collected(order, line))

    async def flushed(self) -> None:
        """Send what there is now, and wait until the bus has it."""
        self._flush_all()
        await self._idle.wait()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ready:
                messages = self._ready[:PUBLICATION_MESSAGES_MAX]
                del self._ready[: len(messages)]
                await self._publish(messages)
            self._idle.set()

    def _append(self, attempt: AttemptLog, line: LogLine) -> None:
        if attempt.size + len(line.text) > MESSAGE_TEXT_BYTES_MAX and attempt.lines:
            self._flush(attempt)
        attempt.lines.append(line)
        attempt.size += len(line.text)
        self._waiting_bytes += len(line.text)
        self._dirty[attempt] = None
        if len(attempt.lines) >= MESSAGE_LINES_MAX:
            self._flush(attempt)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self._flush_all)

    def _flush_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for attempt in tuple(self._dirty):
            self._flush(attempt)

    def _flush(self, attempt: AttemptLog) -> None:
        """Turn what was gathered into a message."""
        del self._dirty[attempt]
        order, lines = attempt.order, tuple(attempt.lines)
        message = encode(LogLines(order.run, order.node, order.attempt, attempt.first, lines))
        self._ready.append((subjects.log(order.project), message))
        self._waiting_bytes += len(message) - attempt.size
        attempt.first += len(lines)
        attempt.lines, attempt.size = [], 0
        metrics.RUNNER_LOG_LINES.labels("taken").inc(len(lines))
        self._idle.clear()
        self._wake.set()

    async def _publish(self, messages: list[tuple[str, bytes]]) -> None:
        while True:
            try:
                await self._publisher.publish(messages)
                break
            except (NotAcknowledged, OSError) as error:
                log.warning("logs.not_published", messages=len(messages), reason=str(error))
            except Exception:
                log.exception("logs.not_published", messages=len(messages))
            await asyncio.sleep(_PAUSE_S)
        self._waiting_bytes -= sum(len(message) for _, message in messages)


def _hidden(line: str, redact: Redaction) -> str:
    if not line.endswith(CUT_MARK):
        return redact(line)
    return redact.of_cut(line.removesuffix(CUT_MARK)) + CUT_MARK


def _collected(order: StartNode, line: LogLine) -> Line:
    """The line of an agent, with all that is known of its attempt."""
    above = parse_traceparent(order.traceparent)
    fields = about_attempt(order)
    trace_id = fields.pop("trace_id", "")
    of = {"project": order.project, "workflow": order.workflow, "agent": order.agent, "stream": line.stream}
    span_id = "" if above is None else above.span_id
    return Line(line.at, "info", line.text, {**fields, **of}, str(trace_id), span_id)


def _mark(dropped: int) -> LogLine:
    text = f"[{dropped} lines dropped: the bus did not take them in time]"
    return LogLine(datetime.now(UTC), text, "penstock")
