"""Limits that no kernel interface enforces for us: looked at several times a second, and ended when exceeded.

What is written to /out lies on the host's disk. RLIMIT_FSIZE stops one large file exactly; the sum over
files is looked at, so it may be exceeded by what a program writes between two looks. Without a cgroup the
same holds for the sum of a sandbox's memory and for its number of processes.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent_runner.sandbox.cgroup import Usage
from penstock.contracts.agent import SandboxLimits
from penstock.contracts.limits import MIB

INTERVAL_S = 0.1  # ten looks a second: a disk of 1 GB/s takes 100 MB between two of them
INTERVAL_MAX_S = 0.4  # a quiet folder is looked at less often
OUT_FILES_MAX = 20_000  # so that a look stays short, and nobody fills the disk with empty files

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Watch:
    """What one sandbox is watched for. `breach` is set at most once, just before the program is ended."""

    limits: SandboxLimits
    folders: tuple[Path, ...]  # writable ones on the host's disk
    pids: Callable[[], Iterable[int]] | None = None  # of the sandbox, where no cgroup counts
    breach: str | None = None
    usage: Usage = field(default=Usage(None, None))

    async def run(self, end: Callable[[], None]) -> None:
        """Look until a limit is exceeded, then call `end`."""
        pause = INTERVAL_S
        while True:
            await asyncio.sleep(pause)
            await self.look()
            if self.breach is not None:
                end()
                return
            pause = INTERVAL_S if self.pids else min(pause * 1.5, INTERVAL_MAX_S)

    async def look(self) -> None:
        """Judge once."""
        if self.breach is not None:
            return
        if self.pids is not None:
            self._judge_processes(tuple(self.pids()))
        if any(_has_entries(folder) for folder in self.folders):
            size, files = await asyncio.to_thread(_measure, self.folders, self.limits.scratch_bytes)
            self._judge_files(size=size, files=files)

    def _judge_processes(self, pids: tuple[int, ...]) -> None:
        used = sum(_resident_bytes(pid) for pid in pids)
        if used > self.limits.memory_bytes:
            # Pages that forked processes share were counted for each: look closer, which costs a millisecond.
            used = sum(_proportional_bytes(pid) for pid in pids)
        self.usage = self.usage.joined(sum(_cpu_s(pid) for pid in pids), used)
        if len(pids) > self.limits.processes:
            self.breach = f"too many processes (limit {self.limits.processes})"
        if used > self.limits.memory_bytes:
            self.breach = f"out of memory (limit {self.limits.memory_bytes // MIB} MiB)"

    def _judge_files(self, *, size: int, files: int) -> None:
        if size > self.limits.scratch_bytes:
            self.breach = f"too much written to its folders (limit {self.limits.scratch_bytes // MIB} MiB)"
        elif files > OUT_FILES_MAX:
            self.breach = f"too many files in its folders (limit {OUT_FILES_MAX})"


def _has_entries(folder: Path) -> bool:
    with suppress(OSError), os.scandir(folder) as entries:
        return next(entries, None) is not None
    return False


def _measure(folders: tuple[Path, ...], bytes_max: int) -> tuple[int, int]:
    """Bytes on disk and entries below `folders`; stops counting where the answer is clear."""
    size = files = 0
    pending = [os.fspath(folder) for folder in folders]
    while pending and size <= bytes_max and files <= OUT_FILES_MAX:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                files += 1
                if files > OUT_FILES_MAX:
                    break
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    continue
                with suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
    return size, files


def _resident_bytes(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES
    return 0


def _proportional_bytes(pid: int) -> int:
    """What is resident, shared pages divided by those who share them; where that is not told, all of it."""
    with suppress(OSError, StopIteration), open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    return _resident_bytes(pid)


def _cpu_s(pid: int) -> float:
    """User and system time, of waited-for children too."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:15])) / _TICKS_PER_S
    return 0.0
