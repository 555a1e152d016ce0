"""Serves each attempt in a child forked from a process that has loaded the agent (reuse: fork)."""

import contextlib
import gc
import heapq
import importlib
import os
import resource
import selectors
import signal
import sys
import time
from typing import Any, NoReturn

import msgspec

from penstock.agents.function import Agent
from penstock.agents.host import Channel
from penstock.agents.host_logs import LINE_CHARS_MAX
from penstock.agents.program import answered, encoded, finished, write_all
from penstock.contracts.frames import FromRunner, Reply, environment_of

GRACE_SECONDS = 3.0  # from SIGTERM to SIGKILL; below the runner's own, which ends the whole worker
NEEDED_BY_CHILDREN = ("asyncio", "traceback", "penstock.agents.conversions")  # loaded once, before any fork
_READ_BYTES = 1 << 16


class _Child:
    """A forked attempt, as its parent sees it."""

    def __init__(self, id_: int, pid: int, *, answer: int, log: int) -> None:
        self.id = id_
        self.pid = pid
        self.answer_pipe = answer
        self.log_pipe = log
        self.answer = bytearray()
        self.line = bytearray()

    def signal(self, number: int) -> None:
        """To the attempt and whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def serve_forks(agent: Agent[..., Any], channel: Channel) -> None:
    """Until the runner closes the pipe; then what still runs is killed."""
    for module in NEEDED_BY_CHILDREN if agent.is_async else NEEDED_BY_CHILDREN[1:]:
        importlib.import_module(module)
    _Server(agent, channel).serve()


class _Server:
    def __init__(self, agent: Agent[..., Any], channel: Channel) -> None:
        self._agent = agent
        self._channel = channel
        self._children: dict[int, _Child] = {}  # by order id
        self._to_kill: list[tuple[float, int]] = []  # (when, order id)
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._has_ended = False  # some child, as SIGCHLD told

    def serve(self) -> None:
        self._watch_children()
        self._selector.register(self._channel.orders, selectors.EVENT_READ, self._take)
        self._channel.send(Reply(ready=True, cancels=True))
        gc.collect()
        gc.freeze()  # children then share these pages instead of copying them at their first collection
        while True:
            self._channel.flush()
            for key, _ in self._selector.select(self._patience()):
                if key.data() is False:
                    return
            self._reap()  # after the pipes' events, for it closes them
            self._kill_overdue()

    def _watch_children(self) -> None:
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._wake)

    def _take(self) -> bool:
        frames = self._channel.read()
        if frames is None:
            for child in self._children.values():
                child.signal(signal.SIGKILL)
            return False
        for frame in frames:
            if not frame.cancel:
                self._start(frame)
            elif frame.cancel in self._children:
                self._children[frame.cancel].signal(signal.SIGTERM)
                heapq.heappush(self._to_kill, (time.monotonic() + GRACE_SECONDS, frame.cancel))
        return True

    def _start(self, order: FromRunner) -> None:
        answer_read, answer_write = os.pipe()
        log_read, log_write = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            self._channel.send(Reply(id=order.id, error=_could_not_fork(error)))
            for descriptor in (answer_read, answer_write, log_read, log_write):
                os.close(descriptor)
            return
        if pid == 0:
            self._be_the_child(order, answer=answer_write, log=log_write)
        with contextlib.suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        os.close(answer_write)
        os.close(log_write)
        child = self._children[order.id] = _Child(order.id, pid, answer=answer_read, log=log_read)
        for descriptor, read in ((answer_read, self._read_answer), (log_read, self._read_log)):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ, lambda read=read: read(child))

    def _be_the_child(self, order: FromRunner, *, answer: int, log: int) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)
            _own_signals_and_limits()
            os.dup2(log, 1)
            os.dup2(log, 2)
            self._close_parents()
            os.environ.update(environment_of(order.env))
            code = _run(self._agent, order.input, answer)
        finally:
            os._exit(code)

    def _close_parents(self) -> None:
        """A child that kept another's pipes open would keep its parent from seeing their end."""
        self._selector.close()
        pipes = [pipe for child in self._children.values() for pipe in (child.answer_pipe, child.log_pipe)]
        for descriptor in (*pipes, self._wake_read, self._wake_write):
            os.close(descriptor)
        self._channel.close()

    def _read_answer(self, child: _Child) -> None:
        data = _read(child.answer_pipe)
        if data:
            child.answer += data
        elif data is not None:
            self._selector.unregister(child.answer_pipe)

    def _read_log(self, child: _Child) -> None:
        data = _read(child.log_pipe)
        if data:
            self._send_lines(child, data)
        elif data is not None:
            self._selector.unregister(child.log_pipe)

    def _send_lines(self, child: _Child, data: bytes) -> None:
        *lines, rest = (bytes(child.line) + data).split(b"\n")
        if len(rest) > LINE_CHARS_MAX:
            lines.append(rest)
            rest = b""
        child.line[:] = rest
        for line in lines:
            self._channel.send(Reply(id=child.id, log=line.decode("utf-8", "replace")))

    def _wake(self) -> None:
        _read(self._wake_read)
        self._has_ended = True

    def _reap(self) -> None:
        if not self._has_ended:
            return
        self._has_ended = False
        for child in list(self._children.values()):
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                self._end(child, status, usage)

    def _end(self, child: _Child, status: int, usage: "resource.struct_rusage") -> None:
        """The attempt is over: take what is left in its pipes, and leave nothing of it running."""
        child.signal(signal.SIGKILL)
        del self._children[child.id]
        while data := _read(child.log_pipe):
            self._send_lines(child, data)
        if child.line:
            self._send_lines(child, b"\n")
        while data := _read(child.answer_pipe):
            child.answer += data
        for descriptor in (child.answer_pipe, child.log_pipe):
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
            os.close(descriptor)
        cpu_s, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        self._channel.send(Reply(id=child.id, cpu_s=cpu_s, memory_bytes=memory, **_answer_of(child, status)))

    def _patience(self) -> float | None:
        return max(0.0, self._to_kill[0][0] - time.monotonic()) if self._to_kill else None

    def _kill_overdue(self) -> None:
        while self._to_kill and self._to_kill[0][0] <= time.monotonic():
            _, id_ = heapq.heappop(self._to_kill)
            if id_ in self._children:
                self._children[id_].signal(signal.SIGKILL)


def _own_signals_and_limits() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(agent: Agent[..., Any], value: object, answer: int) -> int:
    data, code = answered(lambda: encoded(finished(agent.function(**agent.arguments.read(value)))))
    write_all(answer, data)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def _answer_of(child: _Child, status: int) -> dict[str, Any]:
    """The reply's `output` or `error`."""
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return {"error": {"type": "Killed", "message": f"the attempt's process was killed by {name}"}}
    code = os.WEXITSTATUS(status)
    try:
        answer = msgspec.json.decode(child.answer)
        return {"output": msgspec.Raw(child.answer)} if code == 0 else {"error": answer["error"]}
    except msgspec.MsgspecError:
        return {"error": {"type": "Exited", "message": f"the attempt's process exited with code {code}"}}


def _could_not_fork(error: OSError) -> dict[str, Any]:
    return {"type": "CouldNotFork", "message": f"no process for the attempt: {error}", "class": "resource"}


def _read(descriptor: int) -> bytes | None:
    """What is there; empty at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        return None
