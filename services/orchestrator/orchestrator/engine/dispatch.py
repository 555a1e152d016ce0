"""The dispatcher: decides which offers are on the bus, so that a burst of one project stands before nobody else.

The bus is a queue of first come, first served, so it must stay short: of each pool, only as many offers are out
and unclaimed as its runners have slots. The rest wait here, in turn by project. As long as nobody waits, an offer
goes out at once, in the list of its commit. What waits is not lost with the process: it is a `ready` row, and the
sweep offers it again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

import asyncpg
import structlog

from orchestrator.domain.decision import PublishReady
from orchestrator.domain.queue import FairQueue
from orchestrator.domain.run import PRIORITY_DEFAULT, NodeState, Run, RunState
from orchestrator.engine.capacity import Capacity
from orchestrator.engine.committed import Committed
from orchestrator.engine.runs import Runs
from penstock.contracts.timeline import Kind
from penstock.postgres.errors import DATABASE_AWAY
from penstock.telemetry import metrics

LOOK_EVERY_S = 1.0  # at slots and limits, which other processes change
ASK_AFTER_S = (0.01, 0.25)  # offers that stay out are compared with the bus: soon; in vain, ever more seldom

Key = tuple[UUID, str]  # (run, node)
_LEAVES_READY = (Kind.NODE_STARTED, Kind.NODE_SUSPENDED, Kind.NODE_CANCELLED)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Offer:
    """An attempt that is to be offered now, as the run has it."""

    run: Run
    node: str


@dataclass
class _Window:
    """Of one pool: what waits, and what is out and not seen claimed (key → project and since, the oldest first)."""

    queue: FairQueue[Key] = field(default_factory=FairQueue)
    out: dict[Key, tuple[str, float]] = field(default_factory=dict)
    asked_at: float = 0.0
    ask_after_s: float = ASK_AFTER_S[0]

    def is_doubtful(self, now: float) -> bool:
        """Whether to ask the bus: something waits, and what was offered first has been out for long."""
        if not self.queue or not self.out or now < self.asked_at + self.ask_after_s:
            return False
        _, since = next(iter(self.out.values()))
        return now >= since + ASK_AFTER_S[0]


class Dispatcher:
    """`offers` takes what was committed and answers what to publish. Knows nothing of messages."""

    def __init__(
        self, runs: Runs, capacity: Capacity, *, unclaimed: Callable[[str], Awaitable[int | None]]
    ) -> None:
        self._runs = runs
        self._capacity = capacity
        self._unclaimed = unclaimed  # how many offers of a pool the bus holds; None: it cannot tell
        self._windows: dict[str, _Window] = {}
        self._out_of_project: Counter[str] = Counter()
        self._time = asyncio.get_running_loop().time
        self._waits = asyncio.Event()
        self._look_at = 0.0
        self._keeps_windows = True

    @property
    def waiting(self) -> int:
        return sum(len(window.queue) for window in self._windows.values())

    def is_waiting(self, run: UUID, node: str) -> bool:
        """Whether this offer waits here: then nobody needs to offer it again."""
        return any((run, node) in window.queue for window in self._windows.values())

    async def offers(self, commits: Sequence[Committed]) -> list[Offer]:
        """What to publish now: offers of these commits, and what waited for a place that they free."""
        for commit in commits:
            self._capacity.note(commit)
            self._settle(commit)
        found = [offer for commit in commits for offer in self._open_or_wait(commit)]
        for pool, window in list(self._windows.items()):
            if window.queue:
                found += await self._fill(pool, window)
        waiting = self.waiting
        metrics.DISPATCH_WAITING.set(waiting)
        if waiting:
            self._waits.set()
        return found

    def refused(self, run: Run, node: str) -> None:
        """A limit refused the claim: the attempt is still to be had, and keeps its place before its equals."""
        pool, key = run.plan.work(node).pool, (run.id, node)
        window = self._windows.setdefault(pool, _Window())
        self._leave(window, key)
        window.queue.put(key, project=run.project, priority=run.priority, first=True)
        self._waits.set()

    def open(self) -> None:
        """Hold nothing back any more: this process ends, and others would have to wait for the sweep."""
        self._keeps_windows = False

    async def run(self, pump: Callable[[], None]) -> None:
        """Look at what others change, until cancelled; `pump` has `offers` asked again."""
        while True:
            has_looked = await self._look()
            if self.waiting:
                if await self._ask() or has_looked:
                    pump()
                await asyncio.sleep(ASK_AFTER_S[0])
                continue
            self._waits.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._waits.wait()

    async def look_again(self) -> None:
        """A limit was changed here."""
        self._look_at = 0.0
        await self._look()

    async def _look(self) -> bool:
        """Whether slots and limits were read again."""
        now = self._time()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY_S
        try:
            await self._capacity.refresh()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("dispatch.look_failed", reason=repr(error))
            return False
        return True

    async def _ask(self) -> bool:
        """Whether the bus holds fewer offers than this orchestrator believes: another one granted their claims."""
        freed = False
        for pool, window in list(self._windows.items()):
            now = self._time()
            if not window.is_doubtful(now):
                continue
            window.asked_at, window.ask_after_s = now, min(2 * window.ask_after_s, ASK_AFTER_S[1])
            held = await self._unclaimed(pool)
            surplus = 0 if held is None else len(window.out) - held
            for key in list(islice(window.out, max(0, surplus))):
                self._leave(window, key)
            if surplus > 0:
                window.ask_after_s = ASK_AFTER_S[0]
                freed = True
        return freed

    def _settle(self, commit: Committed) -> None:
        """What is no longer ready neither waits nor holds a place."""
        run = commit.run
        for event in commit.events:
            if event.kind not in _LEAVES_READY or event.node is None:
                continue
            key = (run.id, event.node)
            for window in self._windows.values():
                if not self._leave(window, key) and window.queue:
                    window.queue.drop(key)

    def _open_or_wait(self, commit: Committed) -> list[Offer]:
        """The commit's offers that go out at once; the others wait."""
        run, found = commit.run, []
        for command in commit.commands:
            if not isinstance(command, PublishReady) or not is_ready(run, command.node, command.attempt):
                continue
            key, pool = (run.id, command.node), run.plan.work(command.node).pool
            window = self._windows.setdefault(pool, _Window())
            if key in window.out or (not window.queue and self._may_go(pool, window, run.project)):
                self._enter(window, key, run.project)
                found.append(Offer(run, command.node))
            else:
                window.queue.put(key, project=run.project, priority=run.priority)
        return found

    async def _fill(self, pool: str, window: _Window) -> list[Offer]:
        """Give the free places of a pool to those whose turn it is."""
        found: list[Offer] = []
        while keys := self._next(pool, window):
            try:
                runs = await self._runs.fetch(dict.fromkeys(run for run, _ in keys))
            except DATABASE_AWAY as error:
                log.warning("dispatch.runs_unread", offers=len(keys), reason=repr(error))
                for key in keys:
                    project, _ = window.out[key]
                    self._leave(window, key)
                    window.queue.put(key, project=project, priority=PRIORITY_DEFAULT, first=True)
                break
            for id_, node in keys:
                run = runs.get(id_)
                if run is not None and is_ready(run, node):
                    found.append(Offer(run, node))
                else:
                    self._leave(window, (id_, node))
        return found

    def _next(self, pool: str, window: _Window) -> list[Key]:
        """As many as there are places for; each holds its place from now on."""
        keys = []
        while turn := window.queue.take(lambda project: self._may_go(pool, window, project)):
            project, key = turn
            self._enter(window, key, project)
            keys.append(key)
        return keys

    def _may_go(self, pool: str, window: _Window, project: str) -> bool:
        """Whether another offer of this project may be out."""
        if not self._keeps_windows:
            return True
        if not self._capacity.has_limits:
            return len(window.out) < self._capacity.slots(pool)
        room = self._capacity.room(("project", project))
        if room is not None and self._out_of_project[project] >= room:
            return False
        places = self._capacity.slots(pool)
        room = self._capacity.room(("pool", pool))
        return len(window.out) < (places if room is None else min(places, room))

    def _enter(self, window: _Window, key: Key, project: str) -> None:
        if key not in window.out:
            window.out[key] = project, self._time()
            self._out_of_project[project] += 1

    def _leave(self, window: _Window, key: Key) -> bool:
        """Whether it was out; its place is free now."""
        entry = window.out.pop(key, None)
        if entry is None:
            return False
        project, _ = entry
        self._out_of_project[project] -= 1
        if not self._out_of_project[project]:
            del self._out_of_project[project]
        return True


def is_ready(run: Run, node: str, attempt: int | None = None) -> bool:
    """Whether the attempt (None: whichever it is) may still be offered; in a paused run nothing is."""
    unit = run.nodes.get(node)
    return (
        unit is not None
        and unit.state is NodeState.READY
        and attempt in (None, unit.attempt)
        and run.state is not RunState.PAUSED
    )
