"""Run as a script by the tiers without bwrap: confines a child, runs the program in it, ends all it leaves.

Standard library only, started with -I -S: it must not depend on what an agent's folder could replace.
It reads its orders as JSON from a descriptor, and reports `{"pid"}` and `{"status", "cpu_s", "memory_bytes"}`
on another. It stays as the reaper of every descendant: a daemon that forks twice still ends with the agent.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER, _PR_CAPBSET_DROP = 1, 38, 36, 24
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULE_PATH_BENEATH = 1
_CAPABILITIES = range(64)
_EXIT_CANNOT_START, _EXIT_NOT_FOUND = 126, 127  # what shells say

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def main() -> NoReturn:
    orders_descriptor, report_descriptor = int(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(orders_descriptor, "rb") as file:
        orders = json.load(file)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: _finish(orders, report_descriptor, signal.SIGKILL))
    # When the runner is killed, its sandboxes are to end: by the order above, which reaches daemons too.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != orders["runner"]:
        os._exit(_EXIT_CANNOT_START)
    child = os.fork()
    if child == 0:
        _become(orders)
    _say(report_descriptor, pid=child)
    for descriptor in (0, 1, 2):  # or the runner would never read the end of the program's streams
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _finish(orders, report_descriptor, status)


def _finish(orders: dict[str, Any], report_descriptor: int, status: int) -> NoReturn:
    """End what is left, report, and go. `status` is that of wait(2): a signal's number if killed by it."""
    _end_all(orders)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s, memory_bytes = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    _say(report_descriptor, status=status, cpu_s=cpu_s, memory_bytes=memory_bytes)
    os._exit(0)


def _say(descriptor: int, **facts: float) -> None:
    os.write(descriptor, json.dumps(facts).encode() + b"\n")


def _end_all(orders: dict[str, Any]) -> None:
    """Kill until nothing is left: what is killed hands its children to us."""
    while True:
        _kill_user(orders["uid"])
        for child in descendants(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        # Whatever is left now is dying or was forked meanwhile: wait for one, then look again.
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _kill_user(uid: int | None) -> None:
    """One call ends every process of the slot's uid at once: a fork bomb cannot outrun it."""
    if uid is None:
        return
    killer = os.fork()
    if killer == 0:
        os.setresuid(uid, uid, uid)
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    with suppress(ChildProcessError):
        os.waitpid(killer, 0)


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        for child in map(int, file.read().split()):
            found += [child, *descendants(child)]
    return found


def _become(orders: dict[str, Any]) -> NoReturn:
    """Turn this process into the program; never returns."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
            signal.signal(ignored, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for entrance in orders["entrances"]:
            with open(entrance, "w") as file:
                file.write("0")
        ruleset = _ruleset(orders["landlock"]) if orders["landlock"] else None
        _drop(orders["uid"])
        for name, value in orders["rlimits"].items():
            number = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (lower, lower))
        os.chdir(orders["folder"])
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if ruleset is not None:
            _syscall(_RESTRICT_SELF, ruleset, 0)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0] + 64)
        if orders["seccomp"]:
            _filter(bytes.fromhex(orders["seccomp"]))
        os.execvpe(orders["command"][0], orders["command"], orders["environment"])
    except FileNotFoundError:
        os.write(2, f"sandbox: no program named '{orders['command'][0]}'\n".encode())
        os._exit(_EXIT_NOT_FOUND)
    except OSError as error:
        os.write(2, f"sandbox: {error}\n".encode())
    os._exit(_EXIT_CANNOT_START)


def _drop(uid: int | None) -> None:
    if uid is None:
        return
    for capability in _CAPABILITIES:
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user clears it


def _ruleset(rules: dict[str, Any]) -> int:
    """Opened before the drop: a Landlock rule holds for the file, whoever may walk to it."""
    attributes = struct.pack("<QQQ", *rules["handled"])[: rules["size"]]
    ruleset = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    for path, access in rules["paths"]:
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("<Qi", access, descriptor)
            _syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
            os.close(descriptor)
    return ruleset


def _filter(program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    place = ctypes.create_string_buffer(header, len(header))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(place))


def _prctl(option: int, first: int, second: int = 0) -> None:
    if _libc.prctl(option, first, second, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _syscall(number: int, *arguments: int | bytes) -> int:
    result: int = _libc.syscall(
        ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    )
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"system call {number}: {os.strerror(error)}")
    return result


if __name__ == "__main__":
    main()
