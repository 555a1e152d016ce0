"""Runs in memory, at the version they were committed at; read from the database when they are not."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from orchestrator.domain.run import RUN_ENDED, Node, Run
from orchestrator.engine.plans import Plans
from orchestrator.engine.rows import caught_up_run, stored_run
from orchestrator.store.load import Known, LoadedRun, load_runs
from penstock.telemetry import metrics

CACHE_BYTES_MAX = 96 * 1024 * 1024  # promise R9: 300 MB a process with 10,000 open runs
NODE_BYTES = 400  # a node's value and its places in maps, about; inputs and outputs come on top


@dataclass(slots=True)
class Entry:
    """A run as committed, and what it weighs. A stale one is only good to catch up from."""

    run: Run
    bytes: int
    is_stale: bool = False


class Runs:
    """The most recently used runs. Of one that proves stale, only what changed is read again."""

    def __init__(self, pool: asyncpg.Pool, plans: Plans) -> None:
        self._pool = pool
        self._plans = plans
        self._entries: OrderedDict[UUID, Entry] = OrderedDict()
        self._bytes = 0

    def get(self, run: UUID) -> Run | None:
        """The run as committed, if it is in memory and nobody doubts it."""
        entry = self._entries.get(run)
        return None if entry is None or entry.is_stale else entry.run

    async def fetch(self, ids: Iterable[UUID]) -> dict[UUID, Run]:
        """All runs among `ids` that exist."""
        found: dict[UUID, Run] = {}
        wanted: dict[UUID, Run | None] = {}  # with what is known of it
        for id_ in ids:
            entry = self._entries.get(id_)
            if entry is None or entry.is_stale:
                wanted[id_] = None if entry is None else entry.run
            else:
                self._entries.move_to_end(id_)
                found[id_] = entry.run
        known = {id_: Known(run.version, len(run.nodes)) for id_, run in wanted.items() if run is not None}
        for loaded in await load_runs(self._pool, wanted, known) if wanted else ():
            found[loaded.run.id] = await self._enter(loaded, wanted[loaded.run.id])
        return found

    async def _enter(self, loaded: LoadedRun, known: Run | None) -> Run:
        row = loaded.run
        if known is not None and loaded.since == known.version:
            run = caught_up_run(known, row, loaded.nodes)
            self.keep(run, changed=[node.name for node in loaded.nodes])
            return run
        plan = await self._plans.get(project=row.project, workflow=row.workflow, version=row.workflow_version)
        run = stored_run(plan, row, loaded.nodes)
        self.forget(run.id)  # its weight counts anew
        self.keep(run, changed=run.nodes)
        return run

    def keep(self, run: Run, *, changed: Iterable[str]) -> None:
        """Remember `run` as committed; `changed` names the nodes that are new or different."""
        if run.state in RUN_ENDED:
            self.forget(run.id)  # it is hardly needed again
            return
        entry = self._entries.get(run.id)
        if entry is None:
            entry = self._entries[run.id] = Entry(run, len(run.plan.nodes) * NODE_BYTES)
            self._bytes += entry.bytes
            added = sum(_payload(run, name) for name in changed)
        else:
            added = sum(_grown(entry.run.nodes.get(name), run.nodes[name]) for name in changed)
        entry.run, entry.bytes, entry.is_stale = run, entry.bytes + added, False
        self._bytes += added
        while self._bytes > CACHE_BYTES_MAX and len(self._entries) > 1:
            self.forget(next(iter(self._entries)))
        metrics.ENGINE_RUNS_CACHED.set(len(self._entries))

    def doubt(self, run: UUID) -> None:
        """Another orchestrator was faster with this run."""
        entry = self._entries.get(run)
        if entry is not None:
            entry.is_stale = True

    def forget(self, run: UUID) -> None:
        """What is in memory may be wrong, or is not needed any more."""
        entry = self._entries.pop(run, None)
        if entry is not None:
            self._bytes -= entry.bytes
        metrics.ENGINE_RUNS_CACHED.set(len(self._entries))


def _payload(run: Run, name: str) -> int:
    """Inputs, outputs and, for a unit that began later than its run, its own weight."""
    node = run.nodes[name]
    own = 0 if name in run.plan.nodes else NODE_BYTES
    return own + len(node.input or b"") + len(node.output or b"")


def _grown(old: Node | None, new: Node) -> int:
    """By how much a unit weighs more than before; most changes touch neither its input nor its output."""
    if old is None:
        return NODE_BYTES + len(new.input or b"") + len(new.output or b"")
    if old.input is new.input and old.output is new.output:
        return 0
    return len(new.input or b"") + len(new.output or b"") - len(old.input or b"") - len(old.output or b"")
