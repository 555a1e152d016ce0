"""Control groups, version 1 and 2: the only honest count of a sandbox's memory and processes.

A runner gets them as root on a plain machine, or delegated by systemd or a container engine. Where it does
not, `detect` says why and the tiers fall back to rlimits and a watcher. To enter a group after a quiet spell
takes 5 to 20 ms: the kernel waits for a grace period, unless the hierarchy is mounted with favordynmods.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from penstock.contracts.agent import SandboxLimits
from penstock.contracts.limits import MIB

_REMOVAL_DEADLINE_S = 5.0  # the kernel lets go of a group's last process a moment after its death
_OWN_PROCESSES = 4  # bwrap, its init and the set-up commands count too
_HIERARCHIES = ("memory", "pids")  # of version 1
_UNIFIED = "unified"  # version 2 beside version 1, as systemd mounts it: counts cpu, and kills at once


@dataclass(frozen=True)
class Usage:
    """What a group has used so far."""

    cpu_s: float | None
    memory_bytes: int | None

    def joined(self, cpu_s: float | None, memory_bytes: int | None) -> "Usage":
        """The larger of two observations, each of which may have missed something."""
        cpu = [seen for seen in (self.cpu_s, cpu_s) if seen is not None]
        memory = [seen for seen in (self.memory_bytes, memory_bytes) if seen is not None]
        return Usage(max(cpu, default=None), max(memory, default=None))


@dataclass(frozen=True)
class Group:
    """The group of one sandbox: a folder per hierarchy, all the same one in version 2."""

    folders: Mapping[str, Path]
    version: int
    limits: SandboxLimits

    @property
    def entrances(self) -> tuple[Path, ...]:
        """The files into which a process writes 0 to enter the group."""
        return tuple(dict.fromkeys(folder / "cgroup.procs" for folder in self.folders.values()))

    def usage(self) -> Usage:
        peak = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        cpu = _field(self._unified / "cpu.stat", "usage_usec")
        return Usage(None if cpu is None else cpu * 1e-6, _number(self.folders["memory"] / peak))

    def breach(self) -> str | None:
        """The limit at which the kernel stopped something, or None."""
        memory_file = "memory.events" if self.version == 2 else "memory.oom_control"
        if _field(self.folders["memory"] / memory_file, "oom_kill"):
            return f"out of memory (limit {self.limits.memory_bytes // MIB} MiB)"
        if _field(self.folders["pids"] / "pids.events", "max"):
            return f"too many processes (limit {self.limits.processes})"
        return None

    def kill(self) -> None:
        """End every process of the group, daemons included. Version 1 has no such order: each by itself."""
        with suppress(OSError):
            _order(self._unified / "cgroup.kill", "1")
            return
        for pid in _pids(self.folders["pids"]):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)

    @property
    def _unified(self) -> Path:
        return self.folders.get(_UNIFIED, self.folders["memory"])

    async def remove(self) -> None:
        """Kill what is left and delete the group."""
        deadline = asyncio.get_running_loop().time() + _REMOVAL_DEADLINE_S
        for folder in set(self.folders.values()):
            while not _removed(folder) and asyncio.get_running_loop().time() < deadline:
                self.kill()
                await asyncio.sleep(0.005)


@dataclass(frozen=True)
class Cgroups:
    """Where this runner may make groups."""

    parents: Mapping[str, Path]
    version: int
    _serial: "count[int]"

    def create(self, limits: SandboxLimits) -> Group:
        name = f"penstock-{os.getpid()}-{next(self._serial)}"
        folders = {kind: parent / name for kind, parent in self.parents.items()}
        group = Group(folders, self.version, limits)
        for folder in dict.fromkeys(folders.values()):
            folder.mkdir()
        self._limit(group, limits)
        return group

    def sweep(self) -> None:
        """Delete what runners that were killed have left: their processes died with them, as a rule."""
        for parent in set(self.parents.values()):
            for folder in parent.glob("penstock-*-*"):
                if Path("/proc", folder.name.split("-")[1]).exists():
                    continue
                for pid in _pids(folder):
                    with suppress(ProcessLookupError):
                        os.kill(pid, 9)
                _removed(folder)

    def _limit(self, group: Group, limits: SandboxLimits) -> None:
        memory, pids = group.folders["memory"], group.folders["pids"]
        (pids / "pids.max").write_text(str(limits.processes + _OWN_PROCESSES))
        if self.version == 1:
            (memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
            _write_if_there(memory / "memory.memsw.limit_in_bytes", str(limits.memory_bytes))
            return
        (memory / "memory.max").write_text(str(limits.memory_bytes))
        _write_if_there(memory / "memory.swap.max", "0")
        _write_if_there(memory / "memory.oom.group", "1")


@dataclass(frozen=True)
class NoCgroups:
    """Why this runner may not make groups."""

    reason: str


def detect(*, root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> Cgroups | NoCgroups:
    """Find hierarchies in which we may make groups that limit memory and processes."""
    own_lines = (own if own is not None else Path("/proc/self/cgroup").read_text()).splitlines()
    paths = dict(line.split(":", 2)[1:] for line in own_lines)
    if (root / "cgroup.controllers").exists():
        return _detect_unified(root / paths.get("", "/").lstrip("/"))
    return _detect_legacy(root, paths)


def _detect_legacy(root: Path, paths: Mapping[str, str]) -> Cgroups | NoCgroups:
    parents: dict[str, Path] = {}
    for controllers, path in paths.items():
        for kind in set(controllers.split(",")) & set(_HIERARCHIES):
            # In a container the hierarchy may be mounted at our own group already.
            candidates = (root / controllers / path.lstrip("/"), root / controllers, root / kind)
            if usable := next((folder for folder in candidates if os.access(folder, os.W_OK)), None):
                parents[kind] = usable
    beside = root / _UNIFIED / paths.get("", "/").lstrip("/")
    if os.access(beside / "cgroup.procs", os.W_OK):
        parents[_UNIFIED] = beside
    if missing := {"memory", "pids"} - set(parents):
        return NoCgroups(f"cgroup v1 controllers not writable: {', '.join(sorted(missing))}")
    return Cgroups(parents, 1, count())


def _detect_unified(own: Path) -> Cgroups | NoCgroups:
    """Version 2 wants processes in leaves only: we move into one and hand controllers to its siblings."""
    if not os.access(own / "cgroup.procs", os.W_OK):
        return NoCgroups(f"cgroup v2 is not delegated: {own} is not writable")
    available = _words(own / "cgroup.controllers")
    if missing := {"memory", "pids"} - available:
        return NoCgroups(f"cgroup v2 controllers not delegated: {', '.join(sorted(missing))}")
    parent = own.parent if own.name == "penstock-runner" else own
    if not {"memory", "pids"} <= _words(parent / "cgroup.subtree_control"):
        try:
            leaf = parent / "penstock-runner"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text("0")
            (parent / "cgroup.subtree_control").write_text("+memory +pids")
        except OSError as error:
            with suppress(OSError):
                (parent / "cgroup.procs").write_text("0")
            return NoCgroups(f"cgroup v2: {parent} holds other processes than the runner ({error.strerror})")
    return Cgroups({"memory": parent, "pids": parent}, 2, count())


def _pids(folder: Path) -> list[int]:
    with suppress(OSError):
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    return []


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _field(file: Path, name: str) -> int | None:
    """The number behind `name` in a file of "name number" lines."""
    with suppress(OSError):
        if match := re.search(rf"^{name} (\d+)$", file.read_text(), re.MULTILINE):
            return int(match[1])
    return None


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None


def _words(file: Path) -> set[str]:
    with suppress(OSError):
        return set(file.read_text().split())
    return set()


def _order(file: Path, text: str) -> None:
    """Write to a file that is there; never make one."""
    with open(os.open(file, os.O_WRONLY), "w") as existing:
        existing.write(text)


def _write_if_there(file: Path, text: str) -> None:
    """Not every kernel accounts swap or ends a group as one; the limit on memory itself holds without."""
    with suppress(OSError):
        _order(file, text)
