"""One sandboxed worker that serves attempt after attempt over frames (reuse: fork, process)."""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import count

import msgspec

from agent_runner.modes.exits import output_or_failure
from agent_runner.modes.launch import variables_of
from agent_runner.modes.logs import LineSplitter
from agent_runner.modes.orders import HeldOrder, one_line
from agent_runner.modes.port import Attempt, OnLog
from agent_runner.modes.starting import count_sandbox, count_start
from agent_runner.modes.stopping import (
    ABANDON_GRACE_S,
    ANSWER_BYTES_BEYOND_OUTPUT,
    CANCEL_GRACE_S,
    TIMEOUT_GRACE_S,
    abandoned_failure,
    cancelled_failure,
    timeout_failure,
)
from agent_runner.sandbox.port import Exit, Sandbox, SandboxedProcess, SandboxSpec
from penstock.contracts.agent import Reuse
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.frames import Cancel, Order, Reply

ATTEMPTS_PER_WORKER_MAX = 10_000  # then it is replaced: what an agent leaks does not grow for ever
READY_S_MAX = 60.0  # to load the agent; one that has not by then does not speak frames
STOP_S_MAX = 5.0  # for an idle worker to end by itself once its stdin is closed
_READ_BYTES = 256 * 1024

_encode = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(Reply).decode


class Worker:
    """Takes orders at once, also while it starts. `on_end` is called when it is gone, all orders failed."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        spec: SandboxSpec,
        reuse: Reuse,
        concurrency: int,
        on_end: Callable[["Worker"], None],
    ) -> None:
        self.slot = spec.slot
        self.served = 0
        self.is_closing = False
        self.idle_since = asyncio.get_running_loop().time()
        self._sandbox = sandbox
        self._spec = spec
        self._reuse = reuse
        self._concurrency = concurrency
        self._on_end = on_end
        self._orders: dict[int, HeldOrder] = {}
        self._ids = count(1)
        self._unwritten = bytearray()
        self._is_flushing = False
        self._process: SandboxedProcess | None = None
        self._ready: Reply | None = None
        self._ended_for: Failure | None = None
        self._stderr = LineSplitter(self._log_unclaimed)
        self._timer: asyncio.TimerHandle | None = None
        self.task = asyncio.create_task(self._live())

    @property
    def has_room(self) -> bool:
        return len(self._orders) < self._concurrency and not self.is_closing and not self.is_spent

    @property
    def is_spent(self) -> bool:
        return self.served >= ATTEMPTS_PER_WORKER_MAX

    @property
    def is_idle(self) -> bool:
        return not self._orders

    def give(self, attempt: Attempt, on_log: OnLog) -> HeldOrder:
        """Have the attempt run; the order's future gives how it ended."""
        order = HeldOrder(next(self._ids), attempt, on_log, tier=self._sandbox.tier)
        self._orders[order.id] = order
        self.served += 1
        order.set_timer(attempt.order.timeout_s, self._overdue)
        if self._ready is not None:
            count_start(attempt)
        self._write(Order(id=order.id, env=variables_of(attempt), input=one_line(attempt.input)))
        return order

    def cancel(self, order: HeldOrder) -> None:
        self._stop(order, cancelled_failure(), grace_s=CANCEL_GRACE_S)

    def abandon(self, order: HeldOrder) -> None:
        """Nobody waits for this order any more, because its lease is lost: it must not go on."""
        self._stop(order, abandoned_failure(), grace_s=ABANDON_GRACE_S)

    def close(self) -> None:
        """Ask the worker to end: no more orders will come. It has a few seconds."""
        self.is_closing = True
        if self._process is None:
            self.kill(Failure("WorkerEnded", "the runner is closing", ErrorClass.TEMPORARY))
            return
        self._process.stdin.close()
        self._set_timer(STOP_S_MAX, self._process.kill)

    def kill(self, failure: Failure) -> None:
        """End the worker at once, and every order in it by `failure`."""
        self.is_closing = True
        self._ended_for = self._ended_for or failure
        if self._process is None:
            self.task.cancel()
        else:
            self._process.kill()

    def _overdue(self, order: HeldOrder) -> None:
        self._stop(order, timeout_failure(order.timeout_s), grace_s=TIMEOUT_GRACE_S)

    def _stop(self, order: HeldOrder, failure: Failure, *, grace_s: float) -> None:
        """Ask a worker that obeys; end one that cannot, and with it whatever else it runs."""
        if order.id not in self._orders or order.stopped_for is not None:
            return
        order.stopped_for = failure
        if self._ready is not None and self._ready.cancels:
            self._write(Cancel(cancel=order.id))
            order.set_timer(grace_s, self._disobeyed)
        else:
            self._disobeyed(order)

    def _disobeyed(self, order: HeldOrder) -> None:
        self.kill(Failure("WorkerEnded", _ENDED_FOR_ANOTHER, ErrorClass.TEMPORARY))

    def _write(self, frame: Order | Cancel) -> None:
        """Frames of one turn of the loop leave in one write."""
        _encode.encode_into(frame, self._unwritten, -1)
        self._unwritten += b"\n"
        if not self._is_flushing and self._process is not None:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        data, self._unwritten = self._unwritten, bytearray()
        if self._process is not None and data:
            self._process.stdin.write(data)

    async def _live(self) -> None:
        exit_: Exit | None = None
        try:
            self._process = await self._sandbox.start(self._spec)
            count_sandbox(self._sandbox.tier, self._reuse)
            exit_ = await self._attend(self._process)
        except (OSError, ValueError) as error:
            message = f"the sandbox could not be started: {error}"
            self._ended_for = Failure("SandboxFailed", message, ErrorClass.TEMPORARY)
        finally:
            self.is_closing = True
            self._end_orders(exit_)

    async def _attend(self, process: SandboxedProcess) -> Exit:
        pipes = [asyncio.create_task(read(process)) for read in (self._read_replies, self._read_log)]
        try:
            # Workers of one agent and project share this folder, each with a uid of its own.
            (self._spec.work_folder / "out").chmod(0o1777)
            self._set_timer(READY_S_MAX, self._never_ready)
            self._flush()
            exit_ = await process.wait()
            await asyncio.wait(pipes, timeout=STOP_S_MAX)
            return exit_
        except BaseException:
            process.kill()
            await process.wait()
            raise
        finally:
            for pipe in pipes:
                pipe.cancel()

    async def _read_replies(self, process: SandboxedProcess) -> None:
        bytes_max = self._spec.limits.output_bytes + ANSWER_BYTES_BEYOND_OUTPUT
        rest = b""
        with contextlib.suppress(ConnectionResetError):
            while data := await process.stdout.read(_READ_BYTES):
                if self._ended_for is not None:
                    continue  # drained, so that the worker's end is not held up
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take(line)
                if len(rest) > bytes_max:
                    message = f"the worker wrote a line of more than {bytes_max:,} bytes"
                    self.kill(Failure("OutputTooLarge", message, ErrorClass.RESOURCE))

    def _take(self, line: bytes) -> None:
        try:
            reply = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            shown = line[:200].decode("utf-8", "replace")
            message = f"the worker wrote on stdout what is no frame: {shown}"
            self.kill(Failure("InvalidFrame", message, ErrorClass.VALIDATION))
            return
        if reply.ready:
            self._be_ready(reply)
            return
        order = self._orders.get(reply.id)
        if order is None:
            return
        if reply.log is not None:
            order.log.line(reply.log)
        else:
            del self._orders[reply.id]
            order.end_by(reply)
            self._note_idle()

    def _be_ready(self, reply: Reply) -> None:
        self._ready = reply
        self._set_timer(None)
        for order in self._orders.values():
            count_start(order.attempt)

    def _note_idle(self) -> None:
        if not self._orders:
            self.idle_since = asyncio.get_running_loop().time()

    def _never_ready(self) -> None:
        message = f"the worker did not say within {READY_S_MAX:g} s that it is ready: does it speak frames?"
        self.kill(Failure("NotReady", message, ErrorClass.ERROR))

    async def _read_log(self, process: SandboxedProcess) -> None:
        while data := await process.stderr.read(_READ_BYTES):
            self._stderr.feed(data)
        self._stderr.end()

    def _log_unclaimed(self, text: str) -> None:
        """What no attempt's own frame carries goes to the attempt that runs, if it is the only one."""
        if len(self._orders) == 1:
            next(iter(self._orders.values())).log.line(text)

    def _end_orders(self, exit_: Exit | None) -> None:
        self._set_timer(None)
        failure = self._why_ended(exit_)
        orders, self._orders = self._orders, {}
        for order in orders.values():
            order.fail(failure)
        self._on_end(self)

    def _why_ended(self, exit_: Exit | None) -> Failure:
        if self._ended_for is not None:
            return self._ended_for
        if exit_ is None:
            return Failure("WorkerEnded", "the runner ended the worker", ErrorClass.TEMPORARY)
        stderr = self._stderr.tail.decode("utf-8", "replace")
        said = output_or_failure(
            exit_, stdout=b"", stderr=stderr, memory_bytes_max=self._spec.limits.memory_bytes
        )
        if isinstance(said, bytes) or exit_.code == 0:
            return Failure("WorkerDied", "the worker ended without an answer", ErrorClass.TEMPORARY)
        if self._ready is None or said.error_class is ErrorClass.RESOURCE:
            return said  # it could not load the agent, or the sandbox ended it: trying again will not help
        message = f"the worker died while it ran this attempt: {said.message}"
        return Failure("WorkerDied", message, ErrorClass.TEMPORARY, said.stack).cut()

    def _set_timer(self, seconds: float | None, call: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and call is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, call)


_ENDED_FOR_ANOTHER = "the worker was ended to stop another attempt in it"
