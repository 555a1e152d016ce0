"""The strongest tier: a bubblewrap sandbox of namespaces around an agent that is nobody on the host.

A runner that is root keeps the host's user namespace, so that bwrap can bind what lies under a closed folder
such as /root, and drops to the slot's own uid just before the agent; any other runner uses a user namespace.
The seccomp filter is in force before the drop already: without capabilities the calls it needs lead nowhere.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from pathlib import Path

from agent_runner.sandbox import seccomp
from agent_runner.sandbox.cgroup import Cgroups, Group
from agent_runner.sandbox.command import GATEWAY_SOCKET, PROXY_PORT, Host, Weakness, Wrapping, command
from agent_runner.sandbox.etc import make_etc
from agent_runner.sandbox.network import Allowance, Proxy
from agent_runner.sandbox.port import SandboxSpec, Tier, View
from agent_runner.sandbox.process import ContainedProcess, Parts
from agent_runner.sandbox.status import Status
from agent_runner.sandbox.streams import open_streams
from agent_runner.sandbox.users import PATH, checked_environment, ensure_folder, uid_block, uid_of
from agent_runner.sandbox.watch import OUT_FILES_MAX, Watch

_FOLDER_PREFIX = "penstock-sandbox-"


def sweep_folders() -> None:
    """Delete what runners that were killed have left in the folder for temporary files."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*-*"):
        if not Path("/proc", folder.name.removeprefix(_FOLDER_PREFIX).split("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)


class BwrapSandbox:
    """Starts programs in bubblewrap. `networks` are private ones that agents may nevertheless reach."""

    tier = Tier.BWRAP

    def __init__(self, host: Host, *, networks: Iterable[str] = (), weakness: Weakness | None = None) -> None:
        self._host = host
        self._networks = tuple(networks)
        self._weakness = weakness or Weakness()
        self._uid_first = uid_block()
        self._serial = count()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))
        make_etc(self._folder / "etc", uid_first=self._uid_first)

    @property
    def details(self) -> Mapping[str, str]:
        cgroups, user = self._host.cgroups, "a uid for each slot, not root's"
        counted = isinstance(cgroups, Cgroups)
        return {
            "user": user if self._host.drops_from_root else "a user namespace",
            "memory": f"cgroup v{cgroups.version}"
            if isinstance(cgroups, Cgroups)
            else f"RLIMIT_DATA and a watcher ({cgroups.reason})",
            "processes": "cgroup and RLIMIT_NPROC" if counted else "RLIMIT_NPROC and a watcher",
            "output": f"RLIMIT_FSIZE for a file, a watcher for the sum and for {OUT_FILES_MAX} files",
            "scratch": "a tmpfs, counted as memory" if counted else "a tmpfs",
            "files": "a mount namespace",
            "network": "a network namespace, and a proxy for listed hosts",
            "system calls": "seccomp",
        }

    def view(self, spec: SandboxSpec) -> View:
        socket = GATEWAY_SOCKET if spec.socket else None
        return View(agent="/agent", input="/in", output="/out", scratch="/tmp", socket=socket)

    def give(self, spec: SandboxSpec, path: Path) -> None:
        if self._host.drops_from_root:
            os.chown(path, self._uid(spec), self._uid(spec), follow_symlinks=False)

    async def start(self, spec: SandboxSpec) -> ContainedProcess:
        environment = self._environment(spec)
        self._prepare(spec)
        async with AsyncExitStack() as stack:
            group = None
            if isinstance(self._host.cgroups, Cgroups):
                group = self._host.cgroups.create(spec.limits)
                stack.push_async_callback(group.remove)
            proxy = await self._open_proxy(spec, stack)
            parts = await self._spawn(spec, environment, group, proxy, stack)
            # From here on the process' end gives everything back.
            return ContainedProcess(parts, release=stack.pop_all().aclose)

    async def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _spawn(
        self,
        spec: SandboxSpec,
        environment: dict[str, str],
        group: Group | None,
        proxy: Path | None,
        stack: AsyncExitStack,
    ) -> Parts:
        streams, ends = await open_streams()
        status, status_end = os.pipe()
        rules = self._filter_pipe()
        entrances = group.entrances if group else ()
        wrapping = Wrapping(
            *(self._host, self._weakness, self._folder / "etc", self._uid(spec), status_end, rules),
            proxy=proxy,
            entrances=entrances,
        )
        report = Status(status)
        stack.push_async_callback(report.close)
        try:
            process = await asyncio.create_subprocess_exec(
                *command(spec, wrapping),
                stdin=ends.stdin,
                stdout=ends.stdout,
                stderr=ends.stderr,
                pass_fds=(status_end, rules),
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        finally:
            ends.close()
            os.close(status_end)
            os.close(rules)
        kill = partial(report.kill, process)
        watch = Watch(spec.limits, (spec.work_folder / "out",), None if group else report.pids)
        return Parts(process, streams, group, watch, report.program, report.ending, kill)

    def _prepare(self, spec: SandboxSpec) -> None:
        for name in ("in", "out"):
            ensure_folder(spec.work_folder / name, mode=0o755)
        self.give(spec, spec.work_folder / "out")
        if spec.socket:
            self.give(spec, spec.socket)

    def _uid(self, spec: SandboxSpec) -> int:
        return uid_of(spec.slot, first=self._uid_first)

    async def _open_proxy(self, spec: SandboxSpec, stack: AsyncExitStack) -> Path | None:
        if not spec.limits.network:
            return None
        proxy = Proxy(Allowance.parse(spec.limits.network, self._networks))
        path = self._folder / f"proxy-{next(self._serial)}.sock"
        stack.push_async_callback(proxy.close)
        await proxy.open(path, uid=self._uid(spec) if self._host.drops_from_root else None)
        return path

    def _filter_pipe(self) -> int:
        """A pipe that holds the whole filter: some hundred instructions of 8 bytes, far below its 64 KiB."""
        counted = isinstance(self._host.cgroups, Cgroups)
        read, write = os.pipe()
        os.write(write, seccomp.program(seccomp.Filter(internet_sockets=True, memory_files=counted)))
        os.close(write)
        return read

    def _environment(self, spec: SandboxSpec) -> dict[str, str]:
        """Given as bwrap's own environment: its command line can be read by everybody on the host."""
        inherited = dict(os.environ) if self._weakness.with_environment else {}
        ours = {"PATH": PATH, "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}
        if spec.limits.network:
            names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
            ours |= dict.fromkeys(names, f"http://127.0.0.1:{PROXY_PORT}")
        if spec.socket and spec.gateway_port:
            ours["OPENAI_BASE_URL"] = f"http://127.0.0.1:{spec.gateway_port}/v1"
            ours |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
        return inherited | ours | checked_environment(spec.environment)
