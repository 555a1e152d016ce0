"""reuse: fork and process. An attempt is an order to a sandboxed worker that has already loaded the agent.

The runner's side of both is the same; what differs is inside the worker (penstock.agents.host).
"""

import asyncio
from pathlib import Path

from agent_runner.modes.pool import Pool, Tenant
from agent_runner.modes.port import Attempt, Cancellation, Ended, Folders, OnLog
from agent_runner.modes.stopping import cancelled_failure
from agent_runner.sandbox.port import Sandbox
from penstock.contracts.agent import AgentManifest


class Hosted:
    """Hands attempts to the workers of a pool."""

    def __init__(self, *, sandbox: Sandbox, work_folder: Path, slots: int) -> None:
        self._pool = Pool(sandbox=sandbox, work_folder=work_folder, slots=slots)

    def folders(self, *, manifest: AgentManifest, project: str, attempt_key: str) -> Folders:
        work, view = self._pool.home(_tenant(manifest, project), manifest)
        return Folders(
            work=work,
            key=attempt_key,
            seen_in=f"{view.input}/{attempt_key}",
            seen_out=f"{view.output}/{attempt_key}",
        )

    async def run(self, attempt: Attempt, *, on_log: OnLog, cancelled: Cancellation) -> Ended:
        if cancelled.is_set():
            return Ended(failure=cancelled_failure())
        if self._pool.is_closed:
            return Ended(released=True)
        worker = self._pool.worker_for(attempt, _tenant(attempt.manifest, attempt.project))
        order = worker.give(attempt, on_log)
        cancelled.on_set(lambda: worker.cancel(order))
        try:
            return await order.future
        except asyncio.CancelledError:
            worker.abandon(order)
            raise
        finally:
            self._pool.retire_if_done(worker)

    async def close(self) -> None:
        await self._pool.close()


def _tenant(manifest: AgentManifest, project: str) -> Tenant:
    return Tenant(manifest.reuse, manifest.name, manifest.version, project)
