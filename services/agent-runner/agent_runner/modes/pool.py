"""The workers of hosted modes: who serves an attempt, when another is started, when one has served enough."""

import asyncio
import hashlib
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

from agent_runner.modes.launch import spec_of
from agent_runner.modes.port import Attempt
from agent_runner.modes.worker import Worker
from agent_runner.sandbox.port import Sandbox, SandboxSpec, View
from penstock.contracts.agent import AgentManifest, Reuse
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.frames import CONCURRENCY_VARIABLE, HOST_VARIABLE

IDLE_S_MAX = 60.0  # then a worker is ended, and its memory given back
IDLE_WORKERS_MIN = (
    12  # of these none is ended early: the agents of a workflow take turns, and each costs a second
)
SWEEP_S = 15.0


class Tenant(NamedTuple):
    """Whom a worker serves: never another agent, version or project."""

    reuse: Reuse
    agent: str
    version: str
    project: str


class Pool:
    """All workers of the runner that serve more than one attempt. `slots`: attempts at once."""

    def __init__(self, *, sandbox: Sandbox, work_folder: Path, slots: int) -> None:
        self._sandbox = sandbox
        self._work_folder = work_folder
        self._slots = slots
        self._workers: dict[Tenant, list[Worker]] = {}
        self._homes: dict[Tenant, tuple[Path, View]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self.is_closed = False

    def home(self, tenant: Tenant, manifest: AgentManifest) -> tuple[Path, View]:
        """The folder that the tenant's workers share, and how they see it."""
        found = self._homes.get(tenant)
        if found is None:
            digest = hashlib.sha256("\0".join(tenant).encode()).hexdigest()[:16]
            work = self._work_folder / f"{tenant.agent}-{digest}"
            spec = spec_of(manifest, work_folder=work, slot=0, socket=work / "socket")
            found = self._homes[tenant] = (work, self._sandbox.view(spec))
        return found

    def worker_for(self, attempt: Attempt, tenant: Tenant) -> Worker:
        """One that has room, else a new one."""
        workers = self._workers.get(tenant)
        if workers is not None:
            for worker in workers:
                if worker.has_room:
                    return worker
        return self._start(attempt, tenant)

    async def close(self) -> None:
        """End every worker, and wait until none is left."""
        self.is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        workers = self._all()
        for worker in workers:
            if worker.is_idle:
                worker.close()
            else:
                worker.kill(Failure("WorkerEnded", "the runner has stopped", ErrorClass.TEMPORARY))
        if workers:
            await asyncio.wait([worker.task for worker in workers])

    def retire_if_done(self, worker: Worker) -> None:
        """To be called when an attempt has ended."""
        if worker.is_spent and worker.is_idle and not worker.is_closing:
            worker.close()

    def _start(self, attempt: Attempt, tenant: Tenant) -> Worker:
        self._make_room()
        worker = Worker(
            sandbox=self._sandbox,
            spec=self._spec(attempt, tenant),
            reuse=tenant.reuse,
            concurrency=max(1, attempt.manifest.concurrency),
            on_end=lambda worker: self._forget(tenant, worker),
        )
        self._workers.setdefault(tenant, []).append(worker)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        return worker

    def _spec(self, attempt: Attempt, tenant: Tenant) -> SandboxSpec:
        work, _ = self.home(tenant, attempt.manifest)
        (work / "in").mkdir(parents=True, exist_ok=True)
        (work / "out").mkdir(exist_ok=True)
        spec = spec_of(attempt.manifest, work_folder=work, slot=self._free_slot(), socket=attempt.socket)
        hosted = {HOST_VARIABLE: tenant.reuse.value, CONCURRENCY_VARIABLE: str(attempt.manifest.concurrency)}
        socket = self._sandbox.view(spec).socket
        if socket:
            hosted["PENSTOCK_SOCKET"] = socket
        return replace(spec, environment={**spec.environment, **hosted})

    def _free_slot(self) -> int:
        """Slots below the runner's own number are for `never`; workers live longer and have theirs above."""
        taken = {worker.slot for worker in self._all()}
        return next(slot for slot in count(self._slots) if slot not in taken)

    def _make_room(self) -> None:
        """Idle workers of other tenants may not pile up far beyond what the runner could use at once."""
        idle = sorted((worker for worker in self._all() if worker.is_idle and not worker.is_closing),
                      key=lambda worker: worker.idle_since)  # fmt: skip
        kept = max(self._slots, IDLE_WORKERS_MIN) - 1
        for worker in idle[: max(0, len(idle) - kept)]:
            worker.close()

    def _sweep(self) -> None:
        self._sweeper = None
        loop = asyncio.get_running_loop()
        for worker in self._all():
            if worker.is_idle and not worker.is_closing and loop.time() - worker.idle_since > IDLE_S_MAX:
                worker.close()
        if self._workers and not self.is_closed:
            self._sweeper = loop.call_later(SWEEP_S, self._sweep)

    def _forget(self, tenant: Tenant, worker: Worker) -> None:
        workers = self._workers.get(tenant, [])
        if worker in workers:
            workers.remove(worker)
        if not workers:
            self._workers.pop(tenant, None)

    def _all(self) -> list[Worker]:
        return [worker for workers in self._workers.values() for worker in workers]
