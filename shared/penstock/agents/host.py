"""The program inside a sandbox that serves attempt after attempt: frames in on stdin, frames out on stdout.

How frames look is in penstock.contracts.frames; which way attempts run is one file each: host_tasks (async
functions, and threads), host_calls (one at a time), host_forks (a child for each).
"""

import os
import sys
from typing import Any

import msgspec

from penstock.agents.function import Agent
from penstock.agents.program import take_stdout, write_all
from penstock.contracts.frames import CONCURRENCY_VARIABLE, FromRunner

READ_BYTES = 1 << 20  # takes everything that a pipe can hold at once


class Channel:
    """The two ends of the pipe to the runner. Frames written are gathered until `flush`."""

    def __init__(self, *, orders: int, replies: int) -> None:
        self.orders = orders
        self._replies = replies
        self._decode = msgspec.json.Decoder(FromRunner).decode
        self._encode_into = msgspec.json.Encoder().encode_into
        self._unread = b""
        self._unwritten = bytearray()

    def read(self) -> list[FromRunner] | None:
        """The frames that are there, waiting for the first; None when the runner has closed the pipe."""
        data = os.read(self.orders, READ_BYTES)
        if not data:
            return None
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [self._decode(line) for line in lines if line]

    def send(self, frame: object) -> None:
        self._encode_into(frame, self._unwritten, -1)
        self._unwritten += b"\n"

    def is_empty(self) -> bool:
        return not self._unwritten

    def close(self) -> None:
        """Forget the pipe without a word: for a forked child, which has another."""
        self._unwritten.clear()
        os.close(self.orders)
        os.close(self._replies)

    def flush(self) -> None:
        data, self._unwritten = self._unwritten, bytearray()
        write_all(self._replies, data)


def serve(agent: Agent[..., Any], mode: str) -> int:
    """Serve until the runner closes the pipe; gives the exit code."""
    if mode not in ("fork", "process"):
        print(f"PENSTOCK_HOST={mode}: expected fork or process", file=sys.stderr)
        return 2
    channel = Channel(orders=_take_stdin(), replies=take_stdout())
    _ = agent.arguments  # a type without a JSON form shows now, not in every attempt
    concurrency = int(os.environ.get(CONCURRENCY_VARIABLE) or 1)
    if mode == "fork":
        from penstock.agents.host_forks import serve_forks

        serve_forks(agent, channel)
    elif agent.is_async or concurrency > 1:
        from penstock.agents.host_tasks import serve_tasks

        serve_tasks(agent, channel, threads=0 if agent.is_async else concurrency)
    else:
        from penstock.agents.host_calls import serve_calls

        serve_calls(agent, channel)
    return 0


def _take_stdin() -> int:
    """Keep the pipe for the frames; an agent that reads stdin finds it empty."""
    orders = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return orders
