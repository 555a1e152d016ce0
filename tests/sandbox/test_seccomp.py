"""The seccomp filter as a program: what it answers to each call, on each machine that we know."""

import struct

import pytest

from agent_runner.sandbox.seccomp import Filter, _numbers, program

_PRETEND = 0x50000
_ALLOW, _KILL, _EPERM, _ENOSYS, _EAFNOSUPPORT = 0x7FFF0000, 0x80000000, 0x50001, 0x50026, 0x50061
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_FULL = Filter(internet_sockets=True, memory_files=True)
_CLOSED = Filter(internet_sockets=False, memory_files=False)


def verdict(
    number: int, *arguments: int, rules: Filter = _FULL, machine: str = "x86_64", audit: int = 0
) -> int:
    """Interpret the program as the kernel would."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, audit or _AUDIT[machine], 0, *padded)
    lines = list(struct.iter_unpack("<HBBI", program(rules, machine=machine)))
    at = loaded = 0
    while True:
        code, if_true, if_false, constant = lines[at]
        at += 1
        match code:
            case 0x20:
                loaded = struct.unpack_from("<I", data, constant)[0]
            case 0x06:
                return int(constant)
            case 0x15:
                at += if_true if loaded == constant else if_false
            case 0x25:
                at += if_true if loaded > constant else if_false
            case 0x35:
                at += if_true if loaded >= constant else if_false
            case 0x45:
                at += if_true if loaded & constant else if_false
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_number_is_answered_as_the_table_says(machine: str) -> None:
    numbers = _numbers(machine)
    conditional = {"clone3", "socket", "socketpair"}
    allowed = {number for name, number in numbers.items() if name not in conditional}

    for number in range(600):
        answer = verdict(number, machine=machine)
        if number in allowed:
            assert answer == _ALLOW, number
        else:
            assert answer in (_EPERM, _ENOSYS, _EAFNOSUPPORT), number


def test_other_abis_are_refused() -> None:
    assert verdict(39, audit=0x40000003) == _KILL  # i386
    assert verdict(0x40000000 + 39) == _EPERM  # x32
    assert verdict(0xFFFFFFFF) == _EPERM


def test_clone_may_make_threads_but_no_namespaces() -> None:
    assert verdict(56, 0x3D0F00) == _ALLOW  # what pthread_create asks for
    assert verdict(56, 17) == _ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(56, flag | 17) == _EPERM


def test_clone3_looks_unknown() -> None:
    assert verdict(435) == _ENOSYS


def test_a_call_from_the_future_looks_unknown() -> None:
    assert verdict(500) == _ENOSYS


@pytest.mark.parametrize(("family", "answer"), [(1, _ALLOW), (2, _ALLOW), (10, _ALLOW), (16, _EAFNOSUPPORT)])
def test_sockets_are_of_three_families(family: int, answer: int) -> None:
    assert verdict(41, family) == answer


def test_without_a_network_namespace_only_local_sockets_are_left() -> None:
    assert verdict(41, 1, rules=_CLOSED) == _ALLOW
    assert verdict(41, 2, rules=_CLOSED) == _EAFNOSUPPORT
    assert verdict(319, rules=_CLOSED) == _ENOSYS


def test_a_shared_user_changes_nobodys_modes_and_limits() -> None:
    shared = Filter(internet_sockets=False, memory_files=False, shares_user=True)

    assert verdict(90) == _ALLOW
    assert verdict(90, rules=shared) == _PRETEND  # chmod
    assert verdict(188, rules=shared) == _EPERM  # setxattr
    assert verdict(302, 0, rules=shared) == _ALLOW  # prlimit64 of itself
    assert verdict(302, 1234, rules=shared) == _EPERM
    assert verdict(141, 0, 1234, rules=shared) == _EPERM  # setpriority


def test_nothing_can_be_typed_into_a_terminal() -> None:
    assert verdict(16, 0, 0x5401) == _ALLOW
    assert verdict(16, 0, 0x5412) == _EPERM
    assert verdict(16, 0, 0x5412 | 1 << 32) == _EPERM  # the kernel looks at the low word only


@pytest.mark.parametrize("name", ["mount", "ptrace", "bpf", "keyctl", "unshare", "setns", "io_uring_setup"])
def test_dangerous_calls_are_not_in_the_table(name: str) -> None:
    assert name not in _numbers("x86_64")


def test_the_numbers_are_those_of_libseccomp() -> None:
    library = pytest.importorskip("pyseccomp")
    for machine, arch in (("x86_64", library.Arch.X86_64), ("aarch64", library.Arch.AARCH64)):
        for name, number in _numbers(machine).items():
            known = library.resolve_syscall(arch, name)
            assert known in (number, -1), name  # an older library does not know newer calls


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(OSError, match="'sparc64', expected x86_64 or aarch64"):
        program(_FULL, machine="sparc64")
