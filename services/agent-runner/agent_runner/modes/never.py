"""reuse: never. Each attempt has a sandbox of its own: input on stdin, output on stdout, log on stderr."""

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from agent_runner.modes.exits import output_or_failure
from agent_runner.modes.launch import spec_of, variables_of
from agent_runner.modes.logs import AttemptLog, LineSplitter
from agent_runner.modes.port import Attempt, Cancellation, Ended, Folders, OnLog
from agent_runner.modes.stopping import (
    ANSWER_BYTES_BEYOND_OUTPUT,
    CANCEL_GRACE_S,
    TIMEOUT_GRACE_S,
    cancelled_failure,
    output_failure,
    timeout_failure,
)
from agent_runner.sandbox.port import Exit, Sandbox, SandboxedProcess, SandboxSpec
from penstock.contracts.agent import AgentManifest
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.frames import environment_of

_READ_BYTES = 64 * 1024
_PIPES_END_S = 5.0  # after the sandbox's end nothing can write any more, so this is only a guard


class Never:
    """Starts a sandbox for each attempt."""

    def __init__(self, *, sandbox: Sandbox, work_folder: Path) -> None:
        self._sandbox = sandbox
        self._work_folder = work_folder
        self._running: set[_Program] = set()

    def folders(self, *, manifest: AgentManifest, project: str, attempt_key: str) -> Folders:
        work = self._work_folder / attempt_key
        view = self._sandbox.view(spec_of(manifest, work_folder=work, slot=0, socket=None))
        return Folders(work=work, key="", seen_in=view.input, seen_out=view.output)

    async def run(self, attempt: Attempt, *, on_log: OnLog, cancelled: Cancellation) -> Ended:
        if cancelled.is_set():
            return Ended(failure=cancelled_failure())
        began = time.monotonic()
        try:
            process = await self._sandbox.start(self._spec(attempt))
        except (OSError, ValueError) as error:
            return _not_started(error, tier=self._sandbox.tier)
        program = _Program(process, attempt, on_log)
        started_s = time.monotonic() - began
        self._running.add(program)
        try:
            cancelled.on_set(program.cancel)
            ended = await program.run(began=began, tier=self._sandbox.tier)
            return msgspec.structs.replace(ended, sandbox_start_s=started_s)
        finally:
            self._running.discard(program)

    async def close(self) -> None:
        for program in self._running:
            program.kill()

    def _spec(self, attempt: Attempt) -> SandboxSpec:
        work = attempt.folders.work
        (work / "in").mkdir(parents=True, exist_ok=True)
        (work / "out").mkdir(exist_ok=True)
        spec = spec_of(attempt.manifest, work_folder=work, slot=attempt.slot, socket=attempt.socket)
        variables = environment_of(variables_of(attempt))
        socket = self._sandbox.view(spec).socket
        own = {"PENSTOCK_SOCKET": socket} if socket else {}
        return replace(spec, environment={**spec.environment, **variables, **own})


class _Program:
    """One started program and its three pipes."""

    def __init__(self, process: SandboxedProcess, attempt: Attempt, on_log: OnLog) -> None:
        self._process = process
        self._attempt = attempt
        self._limits = attempt.manifest.sandbox
        self._stderr = LineSplitter(AttemptLog(on_log).line)
        self._stdout = bytearray()
        self._stopped_for: Failure | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def run(self, *, began: float, tier: str) -> Ended:
        seconds = self._attempt.order.timeout_s
        late = lambda: self._stop(timeout_failure(seconds), grace_s=TIMEOUT_GRACE_S)  # noqa: E731
        self._timers.append(asyncio.get_running_loop().call_later(seconds, late))
        pipes = [asyncio.create_task(pipe) for pipe in (self._give(), self._take(), self._listen())]
        try:
            exit_ = await self._process.wait()
            await asyncio.wait(pipes, timeout=_PIPES_END_S)
        except BaseException:  # the call was cancelled: the lease is lost
            self.kill()
            await self._process.wait()
            raise
        finally:
            for timer in self._timers:
                timer.cancel()
            for pipe in pipes:
                pipe.cancel()
        self._stderr.end()
        ended = self._ended(exit_)
        return Ended(
            output=ended if isinstance(ended, bytes) else None,
            failure=ended if isinstance(ended, Failure) else None,
            seconds=time.monotonic() - began,
            cpu_s=exit_.cpu_s,
            memory_bytes=exit_.memory_bytes,
            tier=tier,
        )

    def cancel(self) -> None:
        self._stop(cancelled_failure(), grace_s=CANCEL_GRACE_S)

    def kill(self) -> None:
        self._process.kill()

    def _stop(self, failure: Failure, *, grace_s: float) -> None:
        """The first reason counts; a later one may only hurry."""
        self._stopped_for = self._stopped_for or failure
        self._process.terminate()
        self._timers.append(asyncio.get_running_loop().call_later(grace_s, self.kill))

    def _ended(self, exit_: Exit) -> bytes | Failure:
        if self._stopped_for is not None:
            return self._stopped_for
        stderr = self._stderr.tail.decode("utf-8", "replace")
        memory = self._limits.memory_bytes
        ended = output_or_failure(exit_, stdout=bytes(self._stdout), stderr=stderr, memory_bytes_max=memory)
        if isinstance(ended, bytes) and len(ended) > self._limits.output_bytes:
            return output_failure(self._limits.output_bytes)
        return ended

    async def _give(self) -> None:
        """A program need not read its input: that it closed the pipe is no error."""
        stdin = self._process.stdin
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(self._attempt.input)
            await stdin.drain()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.close()

    async def _take(self) -> None:
        """Keep stdout up to a limit; beyond it the program is ended, and the pipe drained all the same."""
        while data := await self._process.stdout.read(_READ_BYTES):
            if len(self._stdout) + len(data) <= self._limits.output_bytes + ANSWER_BYTES_BEYOND_OUTPUT:
                self._stdout += data
            elif self._stopped_for is None:
                self._stopped_for = output_failure(self._limits.output_bytes)
                self.kill()

    async def _listen(self) -> None:
        while data := await self._process.stderr.read(_READ_BYTES):
            self._stderr.feed(data)


def _not_started(error: Exception, *, tier: str) -> Ended:
    message = f"the sandbox could not be started: {error}"
    return Ended(failure=Failure("SandboxFailed", message, ErrorClass.TEMPORARY), tier=tier)
