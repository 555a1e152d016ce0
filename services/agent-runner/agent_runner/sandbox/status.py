"""What is known from outside about a program in bwrap: its processes, and how it really ended.

bwrap says 128 + n both for a program killed by signal n and for one that exits with that number. Since Linux
6.15 a pidfd tells the two apart, even after the process was reaped; before, we read it as shells do.
"""

import asyncio
import fcntl
import json
import os
import signal
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent_runner.sandbox.port import Exit

_PIDFD_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info), of 64 bytes
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_INFO_EXIT_CODE_OFFSET = 60
_END_DEADLINE_S = 5.0  # killing a full namespace takes milliseconds
_FOLLOW_PAUSES_S = (0.004, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)  # bwrap needs some 8 ms to get that far


class Status:
    """The status pipe of one bwrap."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = b""
        self._program: int | None = None  # pidfds
        self._init: int | None = None
        self._doomed: asyncio.subprocess.Process | None = None
        os.set_blocking(descriptor, False)
        self._following = asyncio.create_task(self._follow())

    def program(self) -> int | None:
        """The agent's pid on the host: the first child of the sandbox's init, once that has made it."""
        init = self._document("child-pid")
        return next(iter(_children(init)), None) if init else None

    def pids(self) -> tuple[int, ...]:
        """Every process of the sandbox: all descend from its init, daemons included."""
        init = self._document("child-pid")
        return tuple(_descendants(init)) if init else ()

    def ending(self, code: int) -> Exit:
        """What bwrap's own end says of the program's."""
        if code < 0:
            return Exit(code=None, signal=-code)
        if self._document("exit-code") is None:
            return Exit(code=code, signal=None, started=False)
        if code <= 128 or code - 128 not in signal.valid_signals():
            return Exit(code=code, signal=None)
        if (status := self._wait_status()) is not None and os.WIFEXITED(status):
            return Exit(code=os.WEXITSTATUS(status), signal=None)
        return Exit(code=None, signal=code - 128)

    def kill(self, bwrap: asyncio.subprocess.Process) -> None:
        """Kill bwrap and the sandbox's init, which takes its namespace along.

        Before bwrap has told its init, it may have made one that would outlive it: then the kill comes as soon
        as that is known.
        """
        if self._document("child-pid") is None and not self._following.done():
            self._doomed = bwrap
            return
        self._kill_now(bwrap)

    async def close(self) -> None:
        """Wait until the last process of the sandbox is gone; bwrap itself does not."""
        self._following.cancel()
        with suppress(asyncio.CancelledError):
            await self._following
        self._hold()
        if self._init is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(_ended(self._init), _END_DEADLINE_S)
        for descriptor in (self._descriptor, self._program, self._init):
            if descriptor is not None:
                os.close(descriptor)

    async def _follow(self) -> None:
        """Take hold of the sandbox's processes as soon as there are some."""
        for pause in _FOLLOW_PAUSES_S:
            await asyncio.sleep(pause)
            self._hold()
            if self._doomed is not None and self._init is not None:
                break
            if self._program is not None:
                return
        if self._doomed is not None:
            self._kill_now(self._doomed)

    def _hold(self) -> None:
        init = self._document("child-pid")
        if init is None:
            return
        with suppress(OSError):
            self._init = os.pidfd_open(init) if self._init is None else self._init
        if (program := self.program()) is not None and self._program is None:
            with suppress(OSError):
                self._program = os.pidfd_open(program)

    def _kill_now(self, bwrap: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            bwrap.kill()
        if (init := self._document("child-pid")) is not None:
            with suppress(ProcessLookupError):
                os.kill(init, signal.SIGKILL)

    def _wait_status(self) -> int | None:
        if self._program is None:
            return None
        info = bytearray(struct.pack("<Q", _PIDFD_INFO_EXIT).ljust(64, b"\0"))
        with suppress(OSError):
            fcntl.ioctl(self._program, _PIDFD_GET_INFO, info)
            if struct.unpack_from("<Q", info)[0] & _PIDFD_INFO_EXIT:
                return int(struct.unpack_from("<i", info, _PIDFD_INFO_EXIT_CODE_OFFSET)[0])
        return None

    def _document(self, key: str) -> int | None:
        with suppress(BlockingIOError):
            while part := os.read(self._descriptor, 4096):
                self._text += part
        for line in self._text.splitlines():
            with suppress(json.JSONDecodeError):
                if key in (document := json.loads(line)):
                    return int(document[key])
        return None


async def _ended(pidfd: int) -> None:
    """Wait until the process behind `pidfd` has ended."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(pidfd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(pidfd)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)
