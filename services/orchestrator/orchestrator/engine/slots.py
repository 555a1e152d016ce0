"""Concurrency keys: which new run may begin at once, and which queued one begins when a slot is free."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import asyncpg

from orchestrator.domain.events import CancelRequested, SlotGranted
from orchestrator.domain.plan import Plan
from orchestrator.engine.apply import Answer, Item
from orchestrator.engine.port import StartRun
from orchestrator.store.load import load_run_version
from orchestrator.store.slots import Queue, SlotKey, is_paused, locked_keys, queue_of, waited_for
from penstock.contracts.errors import Conflict, InvalidInput
from penstock.contracts.limits import CONCURRENCY_KEY_CHARS_MAX
from penstock.contracts.template import Evaluate, ExpressionFailed
from penstock.contracts.wire import decode, encode
from penstock.contracts.workflow import Concurrency, OnLimit

KEYS_PER_SWEEP_MAX = 100

Handle = Callable[[Sequence[Item]], Awaitable[list[Answer | Exception]]]
PlanOf = Callable[[str, str, int], Awaitable[Plan]]


def key_of(plan: Plan, *, project: str, input: bytes, evaluate: Evaluate) -> SlotKey | None:
    """The key of a new run, or None when its workflow has no limit. Raises InvalidInput."""
    template = plan.concurrency_key
    if template is None:
        return None
    context = {"inputs": decode(input, object), "run": {"project": project, "workflow": plan.definition.name}}
    try:
        value = template.render(evaluate, context)
        text = value if isinstance(value, str) else encode(value).decode()
    except ExpressionFailed as error:
        raise InvalidInput.at("concurrency.key", str(error)) from error
    if len(text) > CONCURRENCY_KEY_CHARS_MAX:
        message = f"the key has {len(text)} characters, the limit is {CONCURRENCY_KEY_CHARS_MAX}"
        raise InvalidInput.at("concurrency.key", message)
    if "\0" in text:
        raise InvalidInput.at("concurrency.key", "the key holds a NUL character, which no database keeps")
    return SlotKey(project, plan.definition.name, text)


class Line:
    """Who holds a slot and who waits, while a list of new runs joins them under the keys' locks."""

    def __init__(self, queues: Mapping[SlotKey, Queue]) -> None:
        self._queues = dict(queues)

    def keys_in(self, requests: Sequence[StartRun]) -> list[tuple[str, str]]:
        """The idempotency keys of these: a repeated request asks for no second slot."""
        if not self._queues:
            return []
        return [(asked.project, asked.idempotency_key) for asked in requests if asked.idempotency_key]

    def join(self, run: UUID, key: SlotKey, plan: Plan) -> bool:
        """Whether the new run has to wait. Raises Conflict where its author would rather have none."""
        limit, queue = plan.definition.concurrency, self._queues[key]
        assert limit is not None, "only a workflow with a limit has a key"
        if len(queue.holders) < limit.limit and not queue.waiting:
            self._queues[key] = Queue((*queue.holders, run), queue.waiting)
            return False
        if limit.on_limit is OnLimit.REJECT:
            held = ", ".join(str(id_) for id_ in queue.holders[:3])
            allowed = f"workflow '{key.workflow}' allows {limit.limit} open runs with key '{key.key}'"
            raise Conflict(f"{allowed}, and there are already {held}")
        self._queues[key] = Queue(queue.holders, (*queue.waiting, run))
        return True


class Slots:
    """Gives free slots to queued runs, in order of priority and age."""

    def __init__(self, pool: asyncpg.Pool, handle: Handle, plan_of: PlanOf) -> None:
        self._pool = pool
        self._handle = handle
        self._plan_of = plan_of
        self._one_at_a_time = asyncio.Lock()  # each holds a connection while it waits for the engine's

    async def grant(self, key: SlotKey) -> int:
        """Begin as many queued runs of the key as have a slot; returns how many began."""
        async with self._one_at_a_time, locked_keys(self._pool, [key]) as connection:
            queue = await queue_of(connection, key)
            if not queue.waiting or await is_paused(connection, key):
                return 0
            limit = await self._limit(connection, key, queue.waiting[0])
            free = max(0, limit.limit - len(queue.holders))
            lucky = queue.waiting[:free]
            answers = await self._handle([(id_, SlotGranted()) for id_ in lucky])
        if limit.on_limit is OnLimit.CANCEL_OLDEST and len(queue.waiting) > free:
            await self._displace(queue.holders[: len(queue.waiting) - free], key)
        return len(answers)

    async def grant_all(self) -> None:
        """What a crash left ungranted."""
        for key in await waited_for(self._pool, keys_max=KEYS_PER_SWEEP_MAX):
            await self.grant(key)

    async def _displace(self, runs: Sequence[UUID], key: SlotKey) -> None:
        """Newer runs of their key want the slots; who is being cancelled already is not asked again."""
        reason = f"a newer run of '{key.key}' takes its place (on_limit: cancel_oldest)"
        await self._handle([(id_, CancelRequested(by="concurrency", reason=reason)) for id_ in runs])

    async def _limit(self, connection: asyncpg.Connection, key: SlotKey, run: UUID) -> Concurrency:
        """The limit of the version that the next run has."""
        version = await load_run_version(connection, run)
        plan = await self._plan_of(key.project, key.workflow, version)
        return plan.definition.concurrency or Concurrency(key.key)
