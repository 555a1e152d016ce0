"""The command line that builds a bubblewrap sandbox around one program. Pure: it only writes arguments."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from agent_runner.sandbox import forwarder
from agent_runner.sandbox.cgroup import Cgroups, NoCgroups
from agent_runner.sandbox.port import SandboxSpec
from penstock.contracts.limits import MIB

PROXY_PORT = 3128  # on the sandbox's own loopback: nothing else is there
PROXY_SOCKET = "/run/proxy.sock"
GATEWAY_SOCKET = "/run/penstock.sock"

_FORWARDER = "/run/forwarder.py"
_SHARED_MEMORY_BYTES_MAX = 64 * MIB  # /dev/shm: enough for semaphores and small arrays
_LOCKED_BYTES_MAX = 8 * MIB  # the kernel's own default
_SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Enters the control groups before anything else exists, so that nothing is ever outside of them.
_ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Host:
    """What this machine offers to the tier; found once by `survey`."""

    bwrap: str
    drops_from_root: bool  # the runner is root and may become any uid
    mounts_proc: bool  # a container engine that masks /proc forbids a new one
    cgroups: Cgroups | NoCgroups


@dataclass(frozen=True)
class Weakness:
    """What a test takes away to see that the self-attack notices. The product never sets one."""

    without_seccomp: bool = False
    with_network: bool = False
    with_host_files: bool = False
    with_writable_runtime: bool = False
    with_environment: bool = False
    with_host_processes: bool = False
    as_root: bool = False


@dataclass(frozen=True)
class Wrapping:
    """What one start adds to its spec."""

    host: Host
    weakness: Weakness
    etc: Path
    uid: int
    status: int  # descriptors
    filter: int
    proxy: Path | None  # the socket of the agent's way to the network
    entrances: tuple[Path, ...] = field(default=())  # of its control groups


def command(spec: SandboxSpec, wrapping: Wrapping) -> list[str]:
    """Everything from the control group inwards to the program."""
    entered = ["/bin/sh", "-c", _ENTER, "sh", *map(str, wrapping.entrances), "--"]
    confined = () if wrapping.weakness.without_seccomp else ("--seccomp", str(wrapping.filter))
    return [
        *(entered if wrapping.entrances else ()),
        wrapping.host.bwrap,
        *_namespaces(wrapping),
        *chain.from_iterable(_mounts(spec, wrapping)),
        *confined,
        *("--json-status-fd", str(wrapping.status), "--new-session", "--die-with-parent"),
        *("--chdir", "/agent", "--"),
        *_drop(wrapping),
        *_rlimits(spec, counted=bool(wrapping.entrances)),
        *_forward(spec, wrapping),
        *spec.command,
    ]


def _namespaces(wrapping: Wrapping) -> Iterator[str]:
    yield from ("--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox")
    if not wrapping.weakness.with_host_processes:
        yield "--unshare-pid"
    if not wrapping.weakness.with_network:
        yield "--unshare-net"
    yield from ("--cap-drop", "ALL")
    if not wrapping.host.drops_from_root:
        yield from ("--unshare-user", "--uid", str(wrapping.uid), "--gid", str(wrapping.uid))
        return
    # What setpriv needs to become the slot's uid and to empty the bounding set; gone after it.
    for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
        yield from ("--cap-add", capability)


def _mounts(spec: SandboxSpec, wrapping: Wrapping) -> Iterator[tuple[str, ...]]:
    scratch = spec.limits.scratch_bytes
    shared = min(_SHARED_MEMORY_BYTES_MAX, scratch)
    yield from _system_mounts("--bind" if wrapping.weakness.with_writable_runtime else "--ro-bind")
    yield ("--ro-bind", str(wrapping.etc), "/etc")
    yield ("--proc", "/proc") if wrapping.host.mounts_proc else ("--tmpfs", "/proc")
    # Settings of the kernel are root's to write, and in a user namespace the agent may be the host's root.
    yield ("--remount-ro", "/proc")
    yield ("--dev", "/dev")
    yield ("--perms", "1777", "--size", str(shared), "--tmpfs", "/dev/shm")
    yield ("--remount-ro", "/dev")
    yield ("--perms", "1777", "--size", str(scratch), "--tmpfs", "/tmp")
    yield from _runtime_mounts((*spec.runtime_folders, *_forwarder_runtime(spec, wrapping)))
    yield ("--ro-bind", str(spec.agent_folder), "/agent")
    yield ("--ro-bind", str(spec.work_folder / "in"), "/in")
    yield ("--bind", str(spec.work_folder / "out"), "/out")
    yield ("--perms", "0755", "--dir", "/run")
    if spec.socket:
        yield ("--bind", str(spec.socket), GATEWAY_SOCKET)
    if wrapping.proxy:
        yield ("--bind", str(wrapping.proxy), PROXY_SOCKET)
    if _forwarded(spec, wrapping):
        yield ("--ro-bind", forwarder.__file__, _FORWARDER)
    if wrapping.weakness.with_host_files:
        yield from (("--bind", str(wrapping.etc.parent.parent), str(wrapping.etc.parent.parent)),)
    yield ("--remount-ro", "/")


def _system_mounts(bind: str) -> Iterator[tuple[str, ...]]:
    yield (bind, "/usr", "/usr")
    for name in _SYSTEM_FOLDERS:
        folder = Path("/", name)
        if folder.is_symlink():
            yield ("--symlink", os.readlink(folder), str(folder))
        elif folder.is_dir():
            yield (bind, str(folder), str(folder))


def _runtime_mounts(folders: tuple[Path, ...]) -> Iterator[tuple[str, ...]]:
    """bwrap makes missing parents for their owner only, and the agent is somebody else."""
    parents = {parent for folder in folders for parent in folder.parents} - {Path("/"), Path("/tmp")}
    covered = [Path("/usr"), *(Path("/", name) for name in _SYSTEM_FOLDERS)]
    for parent in sorted(parents):
        if not any(parent.is_relative_to(top) for top in covered):
            yield ("--perms", "0755", "--dir", str(parent))
    for folder in folders:
        if not any(folder.is_relative_to(top) for top in covered):
            yield ("--ro-bind", str(folder), str(folder))


def _drop(wrapping: Wrapping) -> Iterator[str]:
    if not wrapping.host.drops_from_root or wrapping.weakness.as_root:
        return
    uid = str(wrapping.uid)
    yield from ("/usr/bin/setpriv", "--reuid", uid, "--regid", uid, "--clear-groups")
    yield from ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs", "--")


def _rlimits(spec: SandboxSpec, *, counted: bool) -> Iterator[str]:
    limits = spec.limits
    yield from ("/usr/bin/prlimit", "--core=0", "--msgqueue=0", f"--memlock={_LOCKED_BYTES_MAX}")
    yield from (f"--nofile={limits.open_files}", f"--fsize={limits.scratch_bytes}")
    yield f"--nproc={limits.processes}"
    if not counted:
        # Per process and generous, for thread stacks count too: the watcher has the sum.
        yield f"--data={4 * limits.memory_bytes}"
    yield "--"


def _forward(spec: SandboxSpec, wrapping: Wrapping) -> Iterator[str]:
    forwarded = _forwarded(spec, wrapping)
    if forwarded:
        yield from (_python(), "-I", "-S", _FORWARDER, *chain.from_iterable(forwarded), "--")


def _forwarded(spec: SandboxSpec, wrapping: Wrapping) -> list[tuple[str, str]]:
    """Sockets that are to be found on the sandbox's loopback, each with its port."""
    places = [(PROXY_SOCKET, str(PROXY_PORT))] if wrapping.proxy else []
    if spec.socket and spec.gateway_port:
        places.append((GATEWAY_SOCKET, str(spec.gateway_port)))
    return places


def _forwarder_runtime(spec: SandboxSpec, wrapping: Wrapping) -> tuple[Path, ...]:
    """The forwarder is Python, whatever the agent is."""
    return (Path(sys.base_prefix).resolve(),) if _forwarded(spec, wrapping) else ()


def _python() -> str:
    return os.path.realpath(sys.executable)
