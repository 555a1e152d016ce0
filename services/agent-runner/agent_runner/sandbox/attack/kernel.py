"""Escapes by way of system calls that no agent needs, other ABIs, and rights that could come back."""

import ctypes
import mmap
import os
import platform
import resource
import time

from agent_runner.sandbox.attack.escape import Held, Targets, call, escape, in_child, libc

_X86 = platform.machine() == "x86_64"
_CLONE_NEWUSER, _CLONE_NEWNS, _CLONE_NEWNET = 0x10000000, 0x00020000, 0x40000000
_SIGCHLD = 17
_TIOCSTI = 0x5412
_PR_CAPBSET_READ, _PR_GET_NO_NEW_PRIVS = 23, 39
_X32 = 0x40000000
_GETPID = 39

# Name, number on x86_64, number on aarch64, arguments. Whatever the kernel answers, it must not be "done".
_CALLS: tuple[tuple[str, int, int, tuple[int | bytes, ...]], ...] = (
    ("mount a file system", 165, 40, (b"none", b"/tmp", b"tmpfs", 0, 0)),
    ("open a file system for mounting", 430, 430, (b"tmpfs", 0)),
    ("clone a mount", 428, 428, (-100, b"/", 1)),
    ("unmount /proc", 166, 39, (b"/proc", 2)),
    ("change the root folder", 161, 51, (b"/proc",)),
    ("swap the root mount", 155, 41, (b"/tmp", b"/tmp")),
    ("make a user namespace", 272, 97, (_CLONE_NEWUSER,)),
    ("make a mount namespace", 272, 97, (_CLONE_NEWNS,)),
    ("make a network namespace", 272, 97, (_CLONE_NEWNET,)),
    ("trace process 1", 101, 117, (16, 1, 0, 0)),
    ("let itself be traced", 101, 117, (0, 0, 0, 0)),
    ("add a key to the keyring", 248, 217, (b"user", b"penstock", b"x", 1, -3)),
    ("join a session keyring", 250, 219, (1, b"penstock")),
    ("request a key", 249, 218, (b"user", b"penstock", 0, -3)),
    ("load a BPF map", 321, 280, (0, b"\1\0\0\0\4\0\0\0\4\0\0\0\1\0\0\0" + bytes(112), 128)),
    ("open a performance counter", 298, 241, (b"\0\0\0\0\x70\0\0\0" + bytes(112), 0, -1, -1, 0)),
    ("handle its own page faults", 323, 282, (1,)),
    ("set up io_uring", 425, 425, (1, bytes(120))),
    ("load a kernel module", 175, 105, (b"", 0, b"")),
    ("load a kernel", 246, 104, (0, 0, 0, 0)),
    ("open a file by handle", 304, 265, (-100, b"\4\0\0\0\1\0\0\0\2\0\0\0", 0)),
    ("set the host's name", 170, 161, (b"penstock", 8)),
    ("reboot", 169, 142, (0xFEE1DEAD, 672274793, 0, 0)),
    ("read the kernel's log", 103, 116, (3, bytes(64), 64)),
    ("take shared memory of System V", 29, 194, (0, 4096, 0o1600)),
    ("change NUMA policy", 238, 237, (0, 0, 0)),
    ("use disk quotas", 179, 60, (0x800001, 0, 0, 0)),
    ("enter the accounting file", 163, 89, (b"/tmp/accounting",)),
    ("fetch a descriptor of process 1", 438, 438, (3, 0, 0)),
)


def _register(name: str, number: int, arguments: tuple[int | bytes, ...]) -> None:
    escape(name)(lambda _: in_child(lambda: call(number, *arguments)))


for _name, _x86_number, _arm_number, _arguments in _CALLS:
    _register(_name, _x86_number if _X86 else _arm_number, _arguments)


@escape("read another process' memory")
def read_memory(targets: Targets) -> str | None:
    number = 310 if _X86 else 270
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 8)
    address = ctypes.addressof(vector)
    call(number, os.getpid(), address, 1, address, 1, 0)
    return "process_vm_readv works"


@escape("fork into a user namespace")
def fork_into_namespace(targets: Targets) -> str | None:
    child = call(56 if _X86 else 220, _CLONE_NEWUSER | _SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "clone(CLONE_NEWUSER) works"


@escape("call clone3, whose flags no filter can see")
def use_clone3(targets: Targets) -> str | None:
    arguments = (ctypes.c_uint64 * 11)(_CLONE_NEWUSER, 0, 0, 0, _SIGCHLD)
    child = call(435, ctypes.addressof(arguments), ctypes.sizeof(arguments))
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "clone3(CLONE_NEWUSER) works"


@escape("enter the namespaces of process 1's parent")
def enter_namespace(targets: Targets) -> str | None:
    descriptor = os.open("/proc/1/ns/mnt", os.O_RDONLY)
    call(308 if _X86 else 268, descriptor, 0)
    return "setns works"


@escape("make system calls by the x32 ABI")
def use_x32(targets: Targets) -> str | None:
    if not _X86:
        raise Held("this machine has no such ABI")
    return in_child(lambda: call(_X32 + _GETPID))


@escape("make system calls by the 32-bit ABI")
def use_32_bit(targets: Targets) -> str | None:
    if not _X86:
        raise Held("this machine has no such ABI")
    return in_child(_getpid_by_interrupt)


def _getpid_by_interrupt() -> None:
    """mov eax, 20 (getpid); int 0x80; ret: the old door, where every number means another call."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    os._exit(0 if function() == os.getpid() else 38)


@escape("set the clock")
def set_clock(targets: Targets) -> str | None:
    time.clock_settime(time.CLOCK_REALTIME, time.time())
    return "set it, to what it was"


@escape("be root")
def be_root(targets: Targets) -> str | None:
    return "the user is root" if 0 in os.getresuid() + os.getresgid() else None


@escape("become root")
def become_root(targets: Targets) -> str | None:
    return in_child(lambda: os.setuid(0))


@escape("become another user")
def become_another(targets: Targets) -> str | None:
    return in_child(lambda: os.setresuid(65533, 65533, 65533))


@escape("hold a capability")
def hold_capability(targets: Targets) -> str | None:
    return f"effective, permitted, inheritable: {capabilities()}" if any(capabilities()) else None


@escape("find a capability in its bounding set to gain by a program")
def gain_capability(targets: Targets) -> str | None:
    found = [number for number in range(64) if libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1]
    confined = libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
    return None if confined or not found else f"capabilities {found}"


def capabilities() -> tuple[int, ...]:
    """Our effective, permitted and inheritable capabilities, low words and high words."""
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    call(125 if _X86 else 90, ctypes.addressof(header), ctypes.addressof(data))
    return tuple(data)


@escape("gain rights by a set-user-id program")
def run_setuid(targets: Targets) -> str | None:
    return None if libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 else "no_new_privs is not set"


@escape("raise its own limits")
def raise_limits(targets: Targets) -> str | None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
    except ValueError as refusal:
        raise Held(str(refusal)) from refusal
    return "raised RLIMIT_NOFILE"


@escape("take precedence over the host")
def raise_priority(targets: Targets) -> str | None:
    os.nice(-5)
    return "raised its priority"


@escape("type into the terminal of whoever started it")
def type_into_terminal(targets: Targets) -> str | None:
    main, side = os.openpty()
    try:
        number = libc.ioctl(side, _TIOCSTI, ctypes.c_char_p(b"x"))
        error = ctypes.get_errno()
    finally:
        os.close(main)
        os.close(side)
    if number == 0:
        return "TIOCSTI works"
    raise Held(os.strerror(error))


@escape("have a controlling terminal")
def open_terminal(targets: Targets) -> str | None:
    os.close(os.open("/dev/tty", os.O_RDWR))
    return "opened /dev/tty"
