"""The strongest tier: a bubblewrap sandbox of namespaces around an agent that is nobody on the host.

A runner that is root keeps the host's user namespace, so that bwrap can bind what lies under a closed folder such
as /root, and drops to the slot's own uid just before the agent; any other runner uses a user namespace. The
seccomp filter is in force before the drop already: without capabilities its calls lead nowhere.
"""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from agent_runner.sandbox import seccomp
from agent_runner.sandbox.cgroup import Cgroups, Group, NoCgroups
from agent_runner.sandbox.etc import SLOTS_MAX, make_etc
from agent_runner.sandbox.port import Exit, SandboxSpec, Tier, View
from agent_runner.sandbox.process import ContainedProcess, Parts
from agent_runner.sandbox.streams import open_streams
from agent_runner.sandbox.watch import OUT_FILES_MAX, Watch
from penstock.contracts.limits import MIB

UID_FIRST = 1_879_048_192  # the range that systemd's list of uids leaves unused, up to 2^31
_UID_BLOCKS = 2**20  # runners on one machine get different blocks of slots' uids, most likely
_SHARED_MEMORY_BYTES_MAX = 64 * MIB  # /dev/shm: enough for semaphores and small arrays
_PATH = "/usr/local/bin:/usr/bin:/bin"
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
    with_writable_root: bool = False
    with_environment: bool = False
    as_root: bool = False


class BwrapSandbox:
    """Starts programs in bubblewrap."""

    tier = Tier.BWRAP

    def __init__(self, host: Host, *, weakness: Weakness | None = None) -> None:
        self._host = host
        self._weakness = weakness or Weakness()
        self._uid_first = UID_FIRST + os.getpid() % _UID_BLOCKS * SLOTS_MAX
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-sandbox-"))
        make_etc(self._folder / "etc", uid_first=self._uid_first)

    @property
    def details(self) -> Mapping[str, str]:
        cgroups = self._host.cgroups
        counted = isinstance(cgroups, Cgroups)
        return {
            "user": "a uid for each slot" if self._host.drops_from_root else "a user namespace",
            "memory": f"cgroup v{cgroups.version}"
            if isinstance(cgroups, Cgroups)
            else f"RLIMIT_DATA and a watcher ({cgroups.reason})",
            "processes": "cgroup and RLIMIT_NPROC" if counted else "RLIMIT_NPROC",
            "output": f"RLIMIT_FSIZE for a file, a watcher for the sum and for {OUT_FILES_MAX} files",
            "scratch": "a tmpfs of its own, counted as memory",
            "files": "a mount namespace",
            "network": "a network namespace",
            "system calls": "seccomp",
        }

    def view(self, spec: SandboxSpec) -> View:
        socket = "/run/penstock.sock" if spec.socket else None
        return View(agent="/agent", input="/in", output="/out", scratch="/tmp", socket=socket)

    async def start(self, spec: SandboxSpec) -> ContainedProcess:
        self._prepare(spec)
        group = self._host.cgroups.create(spec.limits) if isinstance(self._host.cgroups, Cgroups) else None
        try:
            return await self._start(spec, group)
        except BaseException:
            if group is not None:
                await group.remove()
            raise

    async def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _start(self, spec: SandboxSpec, group: Group | None) -> ContainedProcess:
        streams, ends = await open_streams()
        status, status_end = os.pipe()
        filter_ = self._filter_descriptor()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(spec, group, status=status_end, filter_=filter_),
                stdin=ends.stdin,
                stdout=ends.stdout,
                stderr=ends.stderr,
                pass_fds=(status_end, filter_),
                env=self._environment(spec),
                cwd="/",
                start_new_session=True,
            )
        finally:
            ends.close()
            os.close(status_end)
            os.close(filter_)
        report = Status(status)
        watch = Watch(spec.limits, (spec.work_folder / "out",), None if group else report.pids)
        return ContainedProcess(
            Parts(process, streams, group, watch, report.program, report.ending, report.close)
        )

    def _prepare(self, spec: SandboxSpec) -> None:
        (spec.work_folder / "in").mkdir(parents=True, exist_ok=True)
        (spec.work_folder / "in").chmod(0o755)
        out = spec.work_folder / "out"
        out.mkdir(exist_ok=True)
        out.chmod(0o755)
        if self._host.drops_from_root:
            uid = self._uid(spec)
            os.chown(out, uid, uid)
            if spec.socket:
                os.chown(spec.socket, uid, uid)

    def _uid(self, spec: SandboxSpec) -> int:
        return self._uid_first + spec.slot % SLOTS_MAX

    def _filter_descriptor(self) -> int:
        """A pipe that holds the whole filter: some hundred instructions of 8 bytes fit well into its 64 KiB."""
        counted = isinstance(self._host.cgroups, Cgroups)
        code = seccomp.program(seccomp.Filter(internet_sockets=True, memory_files=counted))
        read, write = os.pipe()
        os.write(write, code)
        os.close(write)
        return read

    def _environment(self, spec: SandboxSpec) -> dict[str, str]:
        """Given as bwrap's own environment: its command line can be read by everybody on the host."""
        inherited = dict(os.environ) if self._weakness.with_environment else {}
        ours = {"PATH": _PATH, "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}
        return inherited | ours | dict(spec.environment)

    def _command(self, spec: SandboxSpec, group: Group | None, *, status: int, filter_: int) -> list[str]:
        entrances = [str(file) for file in group.entrances] if group else []
        entered = ["/bin/sh", "-c", _ENTER, "sh", *entrances, "--"] if group else []
        confined = [] if self._weakness.without_seccomp else ["--seccomp", str(filter_)]
        return [
            *entered,
            self._host.bwrap,
            *self._namespaces(spec),
            *chain.from_iterable(self._mounts(spec)),
            *confined,
            *(
                "--json-status-fd",
                str(status),
                "--new-session",
                "--die-with-parent",
                "--chdir",
                "/agent",
                "--",
            ),
            *self._drop(spec),
            *_rlimits(spec, counted=group is not None),
            *spec.command,
        ]

    def _namespaces(self, spec: SandboxSpec) -> Iterator[str]:
        yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
        yield from ("--hostname", "sandbox", "--cap-drop", "ALL")
        if not self._weakness.with_network:
            yield "--unshare-net"
        if not self._host.drops_from_root:
            uid = str(self._uid(spec))
            yield from ("--unshare-user", "--uid", uid, "--gid", uid)
        else:
            # What setpriv needs to become the slot's uid and to empty the bounding set; gone after it.
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                yield from ("--cap-add", capability)

    def _mounts(self, spec: SandboxSpec) -> Iterator[tuple[str, ...]]:
        limits = spec.limits
        yield from _system_mounts()
        yield ("--ro-bind", str(self._folder / "etc"), "/etc")
        yield ("--proc", "/proc") if self._host.mounts_proc else ("--tmpfs", "/proc")
        yield ("--dev", "/dev")
        shared = min(_SHARED_MEMORY_BYTES_MAX, limits.scratch_bytes)
        yield ("--perms", "1777", "--size", str(shared), "--tmpfs", "/dev/shm")
        yield ("--remount-ro", "/dev")
        yield ("--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", "/tmp")
        yield from _runtime_mounts(spec.runtime_folders)
        yield ("--ro-bind", str(spec.agent_folder), "/agent")
        yield ("--ro-bind", str(spec.work_folder / "in"), "/in")
        yield ("--bind", str(spec.work_folder / "out"), "/out")
        if spec.socket:
            yield ("--bind", str(spec.socket), "/run/penstock.sock")
        yield ("--bind", "/", "/host") if self._weakness.with_writable_root else ("--remount-ro", "/")

    def _drop(self, spec: SandboxSpec) -> Iterator[str]:
        if not self._host.drops_from_root or self._weakness.as_root:
            return
        uid = str(self._uid(spec))
        yield from ("/usr/bin/setpriv", "--reuid", uid, "--regid", uid, "--clear-groups")
        yield from ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs", "--")


class Status:
    """What bwrap reports on its status pipe, and what the kernel knows of the agent's process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = b""
        os.set_blocking(descriptor, False)

    def program(self) -> int | None:
        """The agent's pid on the host: the only child of the sandbox's init, once that has made it."""
        init = self._document("child-pid")
        return next(iter(_children(init)), None) if init else None

    def pids(self) -> tuple[int, ...]:
        """Every process of the sandbox: all descend from its init, daemons included."""
        init = self._document("child-pid")
        return tuple(_descendants(init)) if init else ()

    def ending(self, code: int) -> Exit:
        """bwrap passes an exit code on, and says 128 + n for a signal, as shells do."""
        if code < 0:
            return Exit(code=None, signal=-code)
        if self._document("exit-code") is None:
            return Exit(code=code, signal=None, started=False)
        if code > 128 and code - 128 in signal.valid_signals():
            return Exit(code=None, signal=code - 128)
        return Exit(code=code, signal=None)

    async def close(self) -> None:
        os.close(self._descriptor)

    def _document(self, key: str) -> int | None:
        with suppress(BlockingIOError):
            while part := os.read(self._descriptor, 4096):
                self._text += part
        for line in self._text.splitlines():
            with suppress(json.JSONDecodeError):
                if key in (document := json.loads(line)):
                    return int(document[key])
        return None


def _rlimits(spec: SandboxSpec, *, counted: bool) -> Iterator[str]:
    limits = spec.limits
    yield from (
        "/usr/bin/prlimit",
        "--core=0",
        f"--nofile={limits.open_files}",
        f"--fsize={limits.scratch_bytes}",
    )
    yield from (f"--nproc={limits.processes}", "--memlock=8388608", "--msgqueue=0")
    if not counted:
        # Per process and generous, for thread stacks count too: the watcher has the sum.
        yield f"--data={4 * limits.memory_bytes}"
    yield "--"


def _system_mounts() -> Iterator[tuple[str, ...]]:
    yield ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM_FOLDERS:
        folder = Path("/", name)
        if folder.is_symlink():
            yield ("--symlink", os.readlink(folder), str(folder))
        elif folder.is_dir():
            yield ("--ro-bind", str(folder), str(folder))


def _runtime_mounts(folders: tuple[Path, ...]) -> Iterator[tuple[str, ...]]:
    """bwrap makes missing parents for their owner only, and the agent is somebody else."""
    parents = sorted({parent for folder in folders for parent in folder.parents} - {Path("/"), Path("/tmp")})
    covered = [Path("/usr"), *(Path("/", name) for name in _SYSTEM_FOLDERS)]
    for parent in parents:
        if not any(parent.is_relative_to(top) for top in covered):
            yield ("--perms", "0755", "--dir", str(parent))
    for folder in folders:
        if not any(folder.is_relative_to(top) for top in covered):
            yield ("--ro-bind", str(folder), str(folder))


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)
