"""Evaluates expressions that could grow or loop in a process of their own, with a limit on time and memory.

CEL counts iterations, yet one iteration may double a text: `["x"].map(a, a + a).map(a, a + a)…` fills any
memory, and nothing can interrupt CEL inside a process. So such expressions go to a child that the kernel
ends. The way of one: `Guard.run` → the child's `serve` → Program.run → back. An evaluation costs about
0.1 ms here, the first one also the child's start; see tests/definition/test_expressions.py.
"""

import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import IO

import msgspec

from penstock.contracts.expression import ExpressionFailed
from penstock.contracts.limits import MIB
from penstock.contracts.workflow import Json
from penstock.definition.program import Program

PROCESSOR_SECONDS_MAX = 0.5  # an honest evaluation takes a thousandth of it
MEMORY_BYTES_MAX = 512 * MIB  # address space of the child: the interpreter needs a fifth of it
WALL_SECONDS_MAX = 10.0  # a child that neither answers nor uses its processor time is stuck
PROGRAMS_MAX = 2_000  # compiled ones that the child keeps
_LENGTH_BYTES = 4


class _Question(msgspec.Struct, frozen=True):
    source: str
    context: Json


class _Answer(msgspec.Struct, frozen=True):
    """Either a value or the reason why there is none."""

    value: Json = None
    reason: str | None = None


class Guard:
    """Owns the child process. Thread-safe; one evaluation at a time."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(self, source: str, context: Mapping[str, Json]) -> Json:
        """The value of `source` on `context`; raises ExpressionFailed, also if the child had to be ended."""
        question = msgspec.json.encode(_Question(source, dict(context)))
        with self._lock:
            data = self._ask(question)
        if data is None:
            limits = f"{PROCESSOR_SECONDS_MAX} s of processor time or {MEMORY_BYTES_MAX // MIB} MiB"
            raise ExpressionFailed(source, f"it needs more than {limits}; do this in an agent")
        answer = msgspec.json.decode(data, type=_Answer)
        if answer.reason is not None:
            raise ExpressionFailed(source, answer.reason)
        return answer.value

    def close(self) -> None:
        with self._lock:
            self._end()

    def _ask(self, question: bytes) -> bytes | None:
        child = self._child if self._child and self._child.poll() is None else self._start()
        assert child.stdin is not None, "the child has pipes"
        assert child.stdout is not None, "the child has pipes"
        try:
            _write(child.stdin, question)
            answer = _read_within(child.stdout, WALL_SECONDS_MAX)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self._end()
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "penstock.definition.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,
        )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes | None:
    """The next message, or None at the end, also in the middle of one."""
    head = pipe.read(_LENGTH_BYTES)
    size = int.from_bytes(head, "big")
    body = pipe.read(size) if len(head) == _LENGTH_BYTES else b""
    return body if body and len(body) == size else None


def _read_within(pipe: IO[bytes], seconds: float) -> bytes | None:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        return _read(pipe) if selector.select(timeout=seconds) else None


def serve() -> None:
    """The child's life: answer questions until the pipe ends. Each one gets the processor time anew."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (data := _read(sys.stdin.buffer)) is not None:
        question = msgspec.json.decode(data, type=_Question)
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS_MAX)
        answer = _answer(question)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(sys.stdout.buffer, msgspec.json.encode(answer))


_program = lru_cache(maxsize=PROGRAMS_MAX)(Program)


def _answer(question: _Question) -> _Answer:
    try:
        return _Answer(value=_program(question.source).run(question.context))
    except ExpressionFailed as failure:
        return _Answer(reason=failure.reason)


if __name__ == "__main__":
    serve()
