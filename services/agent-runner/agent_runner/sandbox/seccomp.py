"""The seccomp filter: which system calls an agent may make, as a BPF program that the kernel loads.

An allow-list after the model of Docker's default profile, and tighter: what a container engine grants for old
software (ptrace, System V shared memory, io_uring) no agent needs. We assemble the program ourselves: it is
40 lines, needs no C library that a slim image may lack, and tests ranges where libseccomp tests numbers.
"""

import platform
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24  # offsets in struct seccomp_data, low words

_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_PRETEND = 0x00050000  # "error 0": success, and nothing is done
_EPERM, _ENOSYS, _EAFNOSUPPORT = 0x00050000 | 1, 0x00050000 | 38, 0x00050000 | 97

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*
_X32_FIRST = 0x40000000  # the x32 ABI marks its numbers so: a second door to every call
_KNOWN_LAST = 466  # later calls did not exist when this list was made: programs expect ENOSYS and fall back

_NEW_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into the terminal of whoever started us
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # Linux, PER_LINUX32, UNAME26, both, "which is it?"
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


@dataclass(frozen=True)
class Filter:
    """What differs between tiers. Everything else is refused everywhere."""

    internet_sockets: bool  # harmless in a network namespace of its own, the way out without one
    memory_files: bool  # memfd_create makes memory that only a cgroup can count
    shares_user: bool = False  # and sees the host: modes, owners and limits of the runner's are to be kept


@cache
def program(rules: Filter, *, machine: str | None = None) -> bytes:
    """The filter as an array of `struct sock_filter`, for `bwrap --seccomp` or seccomp(2)."""
    name = machine or platform.machine()
    if name not in _ARCHITECTURES:
        known = " or ".join(_ARCHITECTURES)
        raise OSError(f"no seccomp filter for machine '{name}', expected {known}")
    return b"".join(struct.pack("<HBBI", *line) for line in _assemble(rules, name))


def _assemble(rules: Filter, machine: str) -> Iterator[_Instruction]:
    numbers = _numbers(machine)
    conditional = _conditional(rules)
    plain = sorted(number for name, number in numbers.items() if name not in conditional)
    return chain(
        [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]), _end(_KILL_PROCESS)],
        [(_LOAD, 0, 0, _NUMBER), (_JUMP_AT_LEAST, 0, 1, _X32_FIRST), _end(_EPERM)],
        *(_when_call(numbers[name], block) for name, block in conditional.items() if name in numbers),
        *(_when_range(first, last) for first, last in _ranges(plain)),
        [(_JUMP_GREATER, 0, 1, _KNOWN_LAST), _end(_ENOSYS), _end(_EPERM)],
    )


def _conditional(rules: Filter) -> dict[str, list[_Instruction]]:
    return _for_all(rules) | (_for_shared_users() if rules.shares_user else {})


def _for_shared_users() -> dict[str, list[_Instruction]]:
    """What Landlock does not guard, and the kernel grants to every process of the same user.

    A change of mode, owner or time is answered with success, and without effect: programs that copy or unpack
    files insist on it, and rarely need it.
    """
    pretended = ("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat")
    times = ("utime", "utimes", "utimensat", "futimesat")
    attributes = ("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr")
    scheduling = ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
    return {
        **{name: [_end(_PRETEND)] for name in (*pretended, *times)},
        **{name: [_end(_EPERM)] for name in attributes},
        **{name: _only(_ARGUMENT_0, (0,), otherwise=_EPERM) for name in ("prlimit64", *scheduling)},
        **{name: _only(_ARGUMENT_1, (0,), otherwise=_EPERM) for name in ("setpriority", "ioprio_set")},
    }


def _for_all(rules: Filter) -> dict[str, list[_Instruction]]:
    families = (_AF_UNIX, _AF_INET, _AF_INET6) if rules.internet_sockets else (_AF_UNIX,)
    return {
        "clone": [
            (_LOAD, 0, 0, _ARGUMENT_0),
            (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACE_FLAGS),
            _end(_EPERM),
            _end(_ALLOW),
        ],
        # Its flags lie behind a pointer that no filter can read; ENOSYS makes libc fall back to clone.
        "clone3": [_end(_ENOSYS)],
        "socket": _only(_ARGUMENT_0, families, otherwise=_EAFNOSUPPORT),
        "socketpair": _only(_ARGUMENT_0, (_AF_UNIX,), otherwise=_EAFNOSUPPORT),
        "ioctl": _none_of(_ARGUMENT_1, _TERMINAL_INJECTION),
        "personality": _only(_ARGUMENT_0, _PERSONALITIES, otherwise=_EPERM),
        "memfd_create": [_end(_ALLOW if rules.memory_files else _ENOSYS)],
    }


def _end(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)


def _only(argument: int, values: Iterable[int], *, otherwise: int) -> list[_Instruction]:
    tests = ([(_JUMP_EQUAL, 0, 1, value), _end(_ALLOW)] for value in values)
    return [(_LOAD, 0, 0, argument), *chain.from_iterable(tests), _end(otherwise)]


def _none_of(argument: int, values: Iterable[int]) -> list[_Instruction]:
    tests = ([(_JUMP_EQUAL, 0, 1, value), _end(_EPERM)] for value in values)
    return [(_LOAD, 0, 0, argument), *chain.from_iterable(tests), _end(_ALLOW)]


def _when_call(number: int, block: list[_Instruction]) -> list[_Instruction]:
    """Every block returns, so the number is still loaded for whoever jumps over it."""
    return [(_JUMP_EQUAL, 0, len(block), number), *block]


def _when_range(first: int, last: int) -> list[_Instruction]:
    """Ranges come in rising order: below this one and not in an earlier one means refused."""
    return [(_JUMP_GREATER, 3, 0, last), (_JUMP_AT_LEAST, 1, 0, first), _end(_EPERM), _end(_ALLOW)]


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


@cache
def _numbers(machine: str) -> dict[str, int]:
    """Number of each known call. The table is data, so that one machine can assemble another's filter."""
    column = list(_ARCHITECTURES).index(machine) + 1
    lines = (files(__package__) / "syscalls.tsv").read_text().splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
