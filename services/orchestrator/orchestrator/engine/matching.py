"""Events from outside meet the nodes that wait for them. Two ways lead there, and together they miss none:

Offered   an event is committed; then the nodes are read that wait for its topic.
Looked at a node's wait is committed; then the events are read that came before it, within its window.

Each reads after its own commit, and what is committed is seen by every later read. So of an event and a node's
wait, whichever is committed second finds the other. Often both do; then the node has taken the event already,
and the second time means nothing. What dies in between is done again: the event's row says that it was not
offered yet, and the node's timer looks back again.
"""

from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from orchestrator.domain.decision import LookBack, Outcome
from orchestrator.domain.events import EventArrived
from orchestrator.engine.apply import Answer, Item
from orchestrator.store.inbound import events_since
from orchestrator.store.triggers import Taker, note_taken
from orchestrator.store.waiting import WaitingNode, nodes_waiting, wait_of
from penstock.contracts.inbound import InboundEvent, topic_of
from penstock.contracts.limits import EVENTS_PER_BATCH_MAX
from penstock.contracts.workflow import Json

Handle = Callable[[Sequence[Item]], Awaitable[list[Answer | Exception]]]

LOOKS_REMEMBERED_MAX = 10_000
COMMITTED_WITHIN = timedelta(seconds=60)  # of `received_at`; a statement is given up after half of that


class Matching:
    """Offers new events to the nodes that wait for them: the core says which of them takes one."""

    def __init__(self, pool: asyncpg.Pool, handle: Handle) -> None:
        self._pool = pool
        self._handle = handle

    async def __call__(self, events: Sequence[InboundEvent]) -> None:
        """Raises what says that the database is away; then it is to be done again."""
        waiting: dict[str, list[WaitingNode]] = defaultdict(list)
        for node in await nodes_waiting(self._pool, {topic_of(each.project, each.type) for each in events}):
            waiting[node.topic].append(node)
        shown: list[tuple[InboundEvent, Item]] = []
        for event in events:
            nodes = waiting.get(topic_of(event.project, event.type), ())
            document = event.document() if nodes else {}
            for node in nodes:
                shown.append((event, (node.run_id, EventArrived(node.name, node.attempt, document))))
                if len(shown) == EVENTS_PER_BATCH_MAX:
                    await self._show(shown)
                    shown = []
        await self._show(shown)

    async def _show(self, shown: Sequence[tuple[InboundEvent, Item]]) -> None:
        """Hand the events over; who has taken one is noted for people."""
        answers = await self._handle([item for _, item in shown])
        takers: dict[str, list[Taker]] = defaultdict(list)
        for (event, (run, arrived)), answer in zip(shown, answers, strict=True):
            if answer is Outcome.APPLIED and isinstance(arrived, EventArrived):
                takers[event.project].append(Taker(event.source, event.id, run, arrived.node))
        for project, of_project in takers.items():
            await note_taken(self._pool, project, of_project)


class Looks:
    """Finds what came before a node began to wait. A node looks again and again, in case that a look was lost:
    this process remembers how far it came, and does not show the same events twice."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._seen_until: OrderedDict[tuple[UUID, str, int], datetime] = OrderedDict()

    async def __call__(self, run_id: UUID, order: LookBack) -> AsyncIterator[list[dict[str, Json]]]:
        """Lists of events, oldest first, for as long as the caller wants more and the node waits."""
        key = (run_id, order.node, order.attempt)
        wait = await wait_of(self._pool, run_id, order.node, attempt=order.attempt)
        if wait is None:
            return
        since = wait.ready_at - timedelta(seconds=order.look_back_s)
        since = max(since, self._seen_until.get(key, since))
        async for events in events_since(self._pool, topic=wait.topic, since=since):
            yield [event.document() for event in events]
            if not await wait_of(self._pool, run_id, order.node, attempt=order.attempt):
                return
        self._remember(key, wait.now - COMMITTED_WITHIN)

    def _remember(self, key: tuple[UUID, str, int], until: datetime) -> None:
        self._seen_until[key] = until
        self._seen_until.move_to_end(key)
        if len(self._seen_until) > LOOKS_REMEMBERED_MAX:
            self._seen_until.popitem(last=False)
