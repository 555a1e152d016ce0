"""The register of escapes: each is a function that returns what it got hold of, or raises if nothing."""

import ctypes
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Targets:
    """What the host has put out as bait. Everything here must stay out of reach."""

    file: str  # a readable file of the host
    text: str  # what it contains
    tcp_port: int  # a listener on the host's loopback
    abstract_socket: str  # names of listeners on the host
    path_socket: str
    process: int  # a process of the host, of the runner's own user
    variables: list[str] = field(default_factory=list)  # all that the environment may contain
    agent: str = "/agent"
    input: str = "/in"
    output: str = "/out"
    scratch: str = "/tmp"


class Held(Exception):
    """The sandbox held: the attempt was refused in this way."""


Escape = Callable[[Targets], str | None]
ESCAPES: dict[str, Escape] = {}

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def escape(name: str) -> Callable[[Escape], Escape]:
    """Register an attempt. It returns what it achieved; None or an OSError means that it failed."""

    def register(function: Escape) -> Escape:
        ESCAPES[name] = function
        return function

    return register


def attempt(function: Escape, targets: Targets) -> tuple[bool, str]:
    """Whether the sandbox held, and in which words."""
    try:
        success = function(targets)
    except (Held, OSError) as refusal:
        return True, str(refusal)
    return success is None, success or "nothing to be had"


def call(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    """A raw system call; raises OSError as the kernel answers."""
    ctypes.set_errno(0)
    result: int = libc.syscall(
        ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    )
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def in_child(function: Callable[[], object]) -> str | None:
    """Run what may kill its process in a child; success is an exit with 0."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except OSError as error:
            os._exit(min(error.errno or 1, 255))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return "the call was served"
    raise Held(signal.Signals(-code).name if code < 0 else os.strerror(code))
