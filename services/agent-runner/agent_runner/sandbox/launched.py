"""The tiers without bwrap: our launcher confines the program by Landlock and seccomp, or (none) by nothing.

The program sees the host's own paths. A runner that is root gives it the slot's uid, which must be able to
walk to the interpreter and the folders; one that is not shares its uid with the agent.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

from agent_runner.sandbox import landlock, launcher, seccomp
from agent_runner.sandbox.cgroup import Cgroups, Group, NoCgroups
from agent_runner.sandbox.port import Exit, SandboxSpec, Tier, View
from agent_runner.sandbox.process import ContainedProcess, Parts
from agent_runner.sandbox.streams import open_streams
from agent_runner.sandbox.users import (
    PATH,
    checked_environment,
    drops_from_root,
    ensure_folder,
    uid_block,
    uid_of,
)
from agent_runner.sandbox.watch import OUT_FILES_MAX, Watch
from penstock.contracts.errors import InvalidInput


class LaunchedSandbox:
    """Starts programs through the launcher, in tier landlock or none."""

    def __init__(self, tier: Tier, cgroups: Cgroups | NoCgroups, *, confined: bool = True) -> None:
        """`confined=False` takes Landlock and seccomp away, for a test of the self-attack."""
        self.tier = tier
        self._cgroups = cgroups
        self._landlock = landlock.abi() if tier is Tier.LANDLOCK and confined else 0
        self._seccomp = tier is Tier.LANDLOCK and confined
        # Tier none promises nothing, and a developer's files are his own: no other uid there.
        self._uid_first = uid_block() if tier is Tier.LANDLOCK and drops_from_root() else None
        if self._seccomp and not self._landlock:
            raise OSError("this kernel has no Landlock (5.13 or newer, with landlock among its lsm=)")

    @property
    def details(self) -> Mapping[str, str]:
        counted = isinstance(self._cgroups, Cgroups)
        watched = "" if isinstance(self._cgroups, Cgroups) else f" ({self._cgroups.reason})"
        confined = self.tier is Tier.LANDLOCK
        return {
            "user": "a uid for each slot" if self._uid_first else "the runner's own",
            "memory": "cgroup" if counted else f"RLIMIT_DATA and a watcher{watched}",
            "processes": "cgroup" if counted else f"RLIMIT_NPROC and a watcher{watched}",
            "output": f"RLIMIT_FSIZE for a file, a watcher for the sum and for {OUT_FILES_MAX} files",
            "scratch": "a folder on the host, watched together with the output",
            "files": f"Landlock ABI {self._landlock}" if confined else "nothing",
            "network": "seccomp: no internet sockets" if confined else "nothing",
            "system calls": "seccomp" if confined else "nothing",
        }

    def view(self, spec: SandboxSpec) -> View:
        return View(
            agent=str(spec.agent_folder),
            input=str(spec.work_folder / "in"),
            output=str(spec.work_folder / "out"),
            scratch=str(_scratch(spec)),
            socket=str(spec.socket) if spec.socket else None,
        )

    def give(self, spec: SandboxSpec, path: Path) -> None:
        if (uid := self._uid(spec)) is not None:
            os.chown(path, uid, uid, follow_symlinks=False)

    async def start(self, spec: SandboxSpec) -> ContainedProcess:
        if spec.limits.network and self.tier is Tier.LANDLOCK:
            raise InvalidInput.at("sandbox.network", "tier landlock gives no network at all; use tier bwrap")
        self._prepare(spec)
        async with AsyncExitStack() as stack:
            group = None
            if isinstance(self._cgroups, Cgroups):
                group = self._cgroups.create(spec.limits)
                stack.push_async_callback(group.remove)
            parts = await self._spawn(spec, group, stack)
            # From here on the process' end gives everything back.
            return ContainedProcess(parts, release=stack.pop_all().aclose)

    async def close(self) -> None:
        """Nothing outlives a start."""

    async def _spawn(self, spec: SandboxSpec, group: Group | None, stack: AsyncExitStack) -> Parts:
        streams, ends = await open_streams()
        report, report_end = os.pipe()
        orders = _filled_pipe(json.dumps(self._orders(spec, group)).encode())
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", launcher.__file__, str(orders), str(report_end)),
                stdin=ends.stdin,
                stdout=ends.stdout,
                stderr=ends.stderr,
                pass_fds=(orders, report_end),
                env={},
                cwd="/",
                start_new_session=True,
            )
        finally:
            ends.close()
            os.close(orders)
            os.close(report_end)
        status = _Report(report)
        stack.callback(status.close)
        pids: Callable[[], tuple[int, ...]] = partial(_sandboxed, process.pid)
        folders = (spec.work_folder / "out", _scratch(spec))
        watch = Watch(spec.limits, folders, None if group else pids)
        stack.push_async_callback(asyncio.to_thread, shutil.rmtree, folders[1], ignore_errors=True)
        kill = partial(_order_end, process)
        return Parts(process, streams, group, watch, status.program, status.ending, kill)

    def _uid(self, spec: SandboxSpec) -> int | None:
        return None if self._uid_first is None else uid_of(spec.slot, first=self._uid_first)

    def _prepare(self, spec: SandboxSpec) -> None:
        ensure_folder(spec.work_folder / "in", mode=0o755)
        for folder in (spec.work_folder / "out", _scratch(spec)):
            ensure_folder(folder, mode=0o700)
            self.give(spec, folder)
        if spec.socket:
            self.give(spec, spec.socket)

    def _orders(self, spec: SandboxSpec, group: Group | None) -> dict[str, object]:
        view = self.view(spec)
        ours = {"PATH": PATH, "HOME": view.scratch, "TMPDIR": view.scratch, "LANG": "C.UTF-8"}
        places = landlock.Places(
            readable=(*spec.runtime_folders, spec.agent_folder, Path(view.input)),
            writable=(Path(view.output), Path(view.scratch)),
            connectable=(spec.socket,) if spec.socket else (),
        )
        shares_user = self._uid_first is None
        rules = seccomp.Filter(
            internet_sockets=False, memory_files=group is not None, shares_user=shares_user
        )
        return {
            "runner": os.getpid(),
            "command": spec.command,
            "environment": ours | checked_environment(spec.environment),
            "folder": view.agent,
            "uid": self._uid(spec),
            "rlimits": self._rlimits(spec, counted=group is not None),
            "entrances": [str(file) for file in group.entrances] if group else [],
            "landlock": landlock.rules(places, version=self._landlock) if self._landlock else None,
            "seccomp": seccomp.program(rules).hex() if self._seccomp else "",
        }

    def _rlimits(self, spec: SandboxSpec, *, counted: bool) -> dict[str, int]:
        limits = spec.limits
        rlimits = {
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_FSIZE": limits.scratch_bytes,
            "RLIMIT_MEMLOCK": 8388608,
        }
        if self._uid_first or not counted:
            # Without a uid of its own the program shares this count with the runner and its neighbours.
            rlimits["RLIMIT_NPROC"] = limits.processes + (0 if self._uid_first else _threads_of(os.getuid()))
        if not counted:
            rlimits["RLIMIT_DATA"] = 4 * limits.memory_bytes
        return rlimits


class _Report:
    """What the launcher says: the program's pid, then its wait status and use."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = b""
        os.set_blocking(descriptor, False)

    def program(self) -> int | None:
        pid = self._facts().get("pid")
        return None if pid is None else int(pid)

    def ending(self, code: int) -> Exit:
        """Without a word from the launcher, it was killed itself or could not even begin."""
        facts = self._facts()
        if "status" not in facts:
            return Exit(code, None, started=False) if code >= 0 else Exit(None, -code)
        code = os.waitstatus_to_exitcode(int(facts["status"]))
        cpu_s, memory_bytes = facts["cpu_s"], int(facts["memory_bytes"])
        if code < 0:
            return Exit(None, -code, cpu_s, memory_bytes)
        return Exit(code, None, cpu_s, memory_bytes)

    def close(self) -> None:
        os.close(self._descriptor)

    def _facts(self) -> dict[str, float]:
        with suppress(BlockingIOError):
            while part := os.read(self._descriptor, 4096):
                self._text += part
        facts: dict[str, float] = {}
        for line in self._text.splitlines():
            facts |= json.loads(line)
        return facts


def _scratch(spec: SandboxSpec) -> Path:
    """Sandboxes that share a work folder have a scratch folder each."""
    return spec.work_folder / f"scratch-{spec.slot}"


def _order_end(process: asyncio.subprocess.Process) -> None:
    """The launcher is the only one who knows all descendants: ask it, and wake it should it be stopped."""
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)


def _sandboxed(launcher_pid: int) -> tuple[int, ...]:
    return tuple(launcher.descendants(launcher_pid))


def _filled_pipe(content: bytes) -> int:
    """A pipe's reading end; a writer thread is needed only for orders that do not fit into its buffer."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    written = os.write(write, content)
    os.close(write)
    if written < len(content):
        os.close(read)
        raise InvalidInput.at("environment", f"{len(content)} bytes are too many, expected at most {written}")
    return read


def _threads_of(uid: int) -> int:
    """How many threads a user has: what RLIMIT_NPROC counts."""
    total = 0
    for entry in os.scandir("/proc"):
        with suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                total += len(os.listdir(f"/proc/{entry.name}/task"))
    return total
