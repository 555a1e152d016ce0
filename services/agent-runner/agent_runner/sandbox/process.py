"""A program in its sandbox, seen from the host: streams, signals, limits that are watched, and the end."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from agent_runner.sandbox.cgroup import Group
from agent_runner.sandbox.port import Exit
from agent_runner.sandbox.streams import Streams
from agent_runner.sandbox.watch import Watch

EndsAs = Callable[[int], Exit]


@dataclass(frozen=True)
class Parts:
    """What a tier hands over once its program runs."""

    process: asyncio.subprocess.Process  # the outermost process: bwrap, our launcher, or the program itself
    streams: Streams
    group: Group | None
    watch: Watch
    program: Callable[[], int | None]  # the host's pid of the agent's own process, once it is known
    ends_as: EndsAs  # what the outermost process' return code says about the program
    kill: Callable[[], None]  # ends everything that descends from the outermost process


class ContainedProcess:
    """A `SandboxedProcess` over the parts of any tier."""

    def __init__(self, parts: Parts, *, release: Callable[[], Awaitable[None]]) -> None:
        """`release` gives back what belongs to this start: its group, its proxy, its descriptors."""
        self._parts = parts
        self._release = release
        self._watcher = asyncio.create_task(parts.watch.run(self.kill))
        self._ending = asyncio.create_task(self._end())

    @property
    def pid(self) -> int:
        return self._parts.process.pid

    @property
    def stdin(self) -> asyncio.StreamWriter:
        return self._parts.streams.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        return self._parts.streams.stdout

    @property
    def stderr(self) -> asyncio.StreamReader:
        return self._parts.streams.stderr

    async def wait(self) -> Exit:
        """Shielded: whoever stops waiting does not stop the clean-up."""
        return await asyncio.shield(self._ending)

    def terminate(self) -> None:
        """SIGTERM to the agent; before it runs there is nobody to be polite to."""
        pid = self._parts.program()
        if pid is None:
            self.kill()
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        """The outermost process takes the rest with it; the group catches what it could not."""
        if self._parts.process.returncode is None:
            with suppress(ProcessLookupError):
                self._parts.kill()
        if self._parts.group is not None:
            self._parts.group.kill()

    async def _end(self) -> Exit:
        code = await self._parts.process.wait()
        self._watcher.cancel()
        with suppress(asyncio.CancelledError):
            await self._watcher
        # A fast program may have written too much between two looks of the watcher.
        await self._parts.watch.look()
        ending = self._described(self._parts.ends_as(code))
        await self._release()
        with suppress(OSError):
            self.stdin.close()
        return ending

    def _described(self, ending: Exit) -> Exit:
        group, watch = self._parts.group, self._parts.watch
        usage = group.usage() if group is not None else watch.usage.joined(ending.cpu_s, ending.memory_bytes)
        stopped = group.breach() if group is not None and ending.code != 0 else None
        return replace(
            ending,
            cpu_s=usage.cpu_s,
            memory_bytes=usage.memory_bytes,
            breach=watch.breach or stopped,
        )
