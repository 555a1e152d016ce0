"""Calls of models as a runner makes them, for tests of the engine."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from orchestrator.domain.events import AttemptFailed
from orchestrator.engine.budgets import BudgetControl
from orchestrator.engine.model_calls import ModelCalls
from orchestrator.store.composed import Database
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.model_messages import (
    ModelCallBegin,
    ModelCallEnd,
    ModelCallVerdict,
    ModelReply,
    Verdict,
)
from tests.engine.conftest import World, chain


def talker(name: str, **budget: Any) -> dict[str, Any]:
    """One node that calls models, and what the workflow's budget says."""
    document = chain(name, length=1, retry={"attempts": 5, "delay": "1ms"})
    return {**document, "budget": budget} if budget else document


def answer(text: str = "yes", *, cost: float | None = 0.1, tokens: int = 10) -> ModelReply:
    body = msgspec.Raw(msgspec.json.encode({"text": text}))
    return ModelReply("local", "small-1", tokens, 5, cost, body)


class Caller:
    """An attempt that a runner holds, and the calls that it makes."""

    def __init__(self, calls: ModelCalls, run: UUID, token: UUID, *, node: str, attempt: int) -> None:
        self.calls, self.run, self.token, self.node, self.attempt = calls, run, token, node, attempt

    def wish(self, prompt: str = "hello", **fields: Any) -> ModelCallBegin:
        known = {
            "run": self.run,
            "node": self.node,
            "attempt": self.attempt,
            "token": self.token,
            "call": uuid4(),
            "operation": "chat",
            "model": "default",
            "fingerprint": hashlib.sha256(prompt.encode()).hexdigest(),
            "occurrence": 0,
            "tokens_most": 100,
            "dollars_most": 0.4,
        }
        return ModelCallBegin(**{**known, **fields})

    async def begin(self, prompt: str = "hello", **fields: Any) -> ModelCallVerdict:
        return await self.calls.begin(self.wish(prompt, **fields))

    async def call(self, prompt: str = "hello", *, reply: ModelReply | None = None, **fields: Any) -> Verdict:
        """Begin, and end if it may be made."""
        wish = self.wish(prompt, **fields)
        verdict = (await self.calls.begin(wish)).verdict
        if verdict is Verdict.GO:
            assert await self.calls.end(ModelCallEnd(wish.call, 0.5, reply or answer()))
        return verdict


async def hold(world: World, run: UUID, *, node: str = "n0", attempt: int = 1) -> Caller:
    token = await world.claim(run, node, attempt=attempt)
    calls = ModelCalls(world.pool, world.engine, patience=timedelta(0))
    return Caller(calls, run, token, node=node, attempt=attempt)


async def fail_and_retry(world: World, caller: Caller) -> Caller:
    """The attempt fails of something that is worth a retry, and the next one begins."""
    failure = Failure(type="Shaky", message="the line dropped", error_class=ErrorClass.NETWORK)
    failed = AttemptFailed(caller.node, caller.attempt, caller.token, failure, 0.0)
    await world.engine.handle([(caller.run, failed)])
    await world.time_passes(caller.run)
    await world.sweep()
    return await hold(world, caller.run, node=caller.node, attempt=caller.attempt + 1)


def control(world: World, database: Database) -> BudgetControl:
    return BudgetControl(world.pool, database, world.engine)


async def account(world: World, key: str) -> tuple[float, int, float, int]:
    """Dollars spent, tokens spent, dollars reserved, tokens reserved."""
    row = await world.pool.fetchrow("select * from budget_account where key = $1", key)
    dollars, reserved = float(row["dollars_spent"]), float(row["dollars_reserved"])
    return dollars, row["tokens_spent"], reserved, row["tokens_reserved"]
