"""Pipes to a program that outlive it: reading and waiting do not depend on each other.

asyncio's own subprocess pipes hold back `wait()` until a paused reader has read everything; ours do not.
"""

import asyncio
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class ChildEnds:
    """The descriptors that the program gets as 0, 1 and 2."""

    stdin: int
    stdout: int
    stderr: int

    def close(self) -> None:
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.close(descriptor)


@dataclass(frozen=True)
class Streams:
    """Our ends."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader


async def open_streams() -> tuple[Streams, ChildEnds]:
    """Three pipes. The caller closes the child's ends once the program has them."""
    stdin_read, stdin_write = os.pipe()
    stdout_read, stdout_write = os.pipe()
    stderr_read, stderr_write = os.pipe()
    streams = Streams(await _writer(stdin_write), await _reader(stdout_read), await _reader(stderr_read))
    return streams, ChildEnds(stdin_read, stdout_write, stderr_write)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "wb", buffering=0)
    # The protocol only carries flow control here; its reader is never fed.
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
