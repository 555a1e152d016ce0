"""What Landlock can enforce here, and an agent's rules: read the runtime, write its own folders.

Numbers are from <linux/landlock.h>. A newer ABI handles more; what a kernel does not know must be left out.
"""

import ctypes
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CREATE_RULESET_VERSION = 1
_SYSCALL_CREATE_RULESET = 444

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE, _MAKE_PLAIN = 0b11 << 4, 0b1111 << 7 | 1 << 12  # all but devices

_FIRST_ABI = (1 << 13) - 1  # every right up to making symbolic links, devices among them
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15  # ABI 2, 3, 5
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1  # ABI 4
_SCOPE_ABSTRACT_SOCKET, _SCOPE_SIGNAL = 1 << 0, 1 << 1  # ABI 6

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = (
    _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
)  # all that a rule on a file may name

_SYSTEM_FOLDERS = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/ssl/certs",
    "/etc/alternatives",
)
_SYSTEM_FILES = (
    *("/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/localtime"),
    *("/etc/ssl/openssl.cnf", "/etc/mime.types", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
    *("/proc/filesystems", "/sys/devices/system/cpu/online", "/dev/random", "/dev/urandom", "/dev/zero"),
)


@dataclass(frozen=True)
class Places:
    """The folders of one start."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    connectable: tuple[Path, ...]  # unix sockets; Landlock does not guard a connect, but they must be visible


def abi() -> int:
    """The kernel's Landlock version, or 0 where there is none or it is switched off."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    arguments = (ctypes.c_long(_SYSCALL_CREATE_RULESET), None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    return max(0, libc.syscall(*arguments)) if platform.system() == "Linux" else 0


def rules(places: Places, *, version: int) -> dict[str, object]:
    """The ruleset as the launcher takes it: handled rights, the attribute's size, (path, rights) pairs."""
    files = _FIRST_ABI
    files |= _REFER if version >= 2 else 0
    files |= _TRUNCATE if version >= 3 else 0
    files |= _IOCTL_DEVICE if version >= 5 else 0
    network = _BIND_TCP | _CONNECT_TCP if version >= 4 else 0
    scoped = _SCOPE_ABSTRACT_SOCKET | _SCOPE_SIGNAL if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    paths = [(path, rights & files) for path, rights in _paths(places)]
    return {"handled": (files, network, scoped), "size": size, "paths": paths}


def _paths(places: Places) -> Iterator[tuple[str, int]]:
    for folder in _SYSTEM_FOLDERS:
        yield folder, _READ
    for file in _SYSTEM_FILES:
        yield file, _READ_FILE
    # Resolved by the process that becomes the program: its own entry, not that of its neighbours.
    yield "/proc/self", _READ_FILE | _READ_DIR
    yield "/dev/null", _READ_FILE | _WRITE_FILE | _TRUNCATE
    for path in places.readable:
        yield str(path), _READ if path.is_dir() else _READ & _FILE_RIGHTS
        if (path / "__init__.py").exists():
            # To find a package the interpreter lists the folder that it lies in. Names are all that this tells.
            yield str(path.parent), _READ_DIR
    whole = _READ | _WRITE_FILE | _REMOVE | _MAKE_PLAIN | _REFER | _TRUNCATE
    for path in places.writable:
        yield str(path), whole
    for path in places.connectable:
        yield str(path), _READ_FILE | _WRITE_FILE
