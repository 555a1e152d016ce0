"""The gate of the circuit breakers: refuses claims of what is broken, and learns from how attempts end."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import asyncpg

from orchestrator.domain.admission import may_claim
from orchestrator.domain.breaker import (
    Breaker,
    BreakerState,
    Refused,
    Report,
    admit,
    ask,
    record,
    refuse,
    report_of,
    wait,
)
from orchestrator.domain.breaker_keys import BreakerKey, breaker_keys
from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptParked,
    AttemptReleased,
    AttemptSucceeded,
    LeaseLapsed,
    Refusal,
    RunEvent,
)
from orchestrator.domain.run import Run, RunState
from orchestrator.domain.unit import is_undo, node_of
from orchestrator.engine.admission import Item, Runs
from orchestrator.engine.breakers import Changes
from orchestrator.store.breakers import Key, add_missing, glance, lock
from orchestrator.store.save import deadline_of
from penstock.contracts.value import replace
from penstock.telemetry import metrics

Ended: TypeAlias = AttemptSucceeded | AttemptFailed | AttemptReleased | AttemptParked | LeaseLapsed
ENDED = (AttemptSucceeded, AttemptFailed, AttemptReleased, AttemptParked, LeaseLapsed)

BREAKER_OPEN = "breaker_open"  # the code of its refusals


class BreakerGate:
    """`Gate` over the breakers of the nodes' definitions. `spread` in [0, 1] keeps apart those who come back."""

    def __init__(self, pool: asyncpg.Pool, *, spread: Callable[[], float]) -> None:
        self._pool = pool
        self._spread = spread

    async def concerns(self, items: Sequence[Item], runs: Runs) -> bool:
        """Not if all breakers are closed and know of no failure: then claims and successes change nothing.

        What opens after this glance stops the claims that come next, as it does with those granted just before.
        """
        if not any(run.plan.has_breakers for run in runs.values()):
            return False
        keys = _keys(items, runs)
        if not keys:
            return False
        calm = await glance(self._pool, keys)
        if missing := [key for key in keys if key not in calm]:
            await add_missing(self._pool, missing)
        return not all(calm.values()) or any(_is_bad_news(event) for _, event in items)

    async def open(
        self, connection: asyncpg.Connection, items: Sequence[Item], runs: Runs
    ) -> "BreakerPassage":
        changes = Changes(connection, await lock(connection, _keys(items, runs)))
        return BreakerPassage(changes, self._spread)


class BreakerPassage:
    """`Passage`: the breakers of one batch, locked."""

    def __init__(self, changes: Changes, spread: Callable[[], float]) -> None:
        self._changes = changes
        self._spread = spread

    def consider(self, run: Run, event: RunEvent) -> RunEvent | None:
        if not isinstance(event, AttemptClaimed) or not may_claim(run, event):
            return event
        refusals = [
            (waits, key, refused)
            for key, breaker in self._of(run, event)
            if isinstance(refused := ask(breaker, now=self._changes.now), Refused)
            for waits in [wait(breaker, refused, now=self._changes.now, spread=self._spread())]
        ]
        if not refusals:
            return event
        waits, (_, key), refused = max(refusals, key=lambda each: each[0])
        sentence = f"breaker '{key}' {refused.reason}"
        return replace(event, refusal=Refusal(BREAKER_OPEN, key, sentence, waits.total_seconds()))

    def took(self, before: Run, event: RunEvent, outcome: Outcome) -> None:
        if isinstance(event, AttemptClaimed):
            self._claimed(before, event, outcome)
        elif isinstance(event, ENDED) and outcome is Outcome.APPLIED:
            self._ended(before, event)

    async def save(self) -> None:
        await self._changes.save()

    async def after_save(self) -> None:
        await self._changes.wake()

    def _claimed(self, run: Run, event: AttemptClaimed, outcome: Outcome) -> None:
        if outcome is Outcome.HELD and event.refusal is not None:
            metrics.BREAKER_REFUSALS.inc()
            key = (run.project, event.refusal.key)
            if event.refusal.code == BREAKER_OPEN:
                self._changes.put(key, refuse(self._changes.breakers[key]))
        elif outcome is Outcome.APPLIED:
            timeout = run.plan.nodes[node_of(event.node)].definition.timeout
            until = self._changes.now + deadline_of(timeout)
            for key, breaker in self._of(run, event):
                admitted = admit(breaker, holder=event.token, until=until, now=self._changes.now)
                self._changes.put(
                    key, admitted, f"attempt {event.attempt} of '{event.node}' in run {run.id} probes"
                )

    def _ended(self, run: Run, event: Ended) -> None:
        report, failure = _report(run, event)
        for key, breaker in self._of(run, event):
            recorded = record(breaker, report, holder=event.token, now=self._changes.now, failure=failure)
            self._changes.put(key, recorded, _why_changed(breaker, recorded))

    def _of(self, run: Run, event: AttemptClaimed | Ended) -> list[tuple[Key, Breaker]]:
        """The unit's breakers, with the policy that its definition gives them."""
        found = []
        for each in _of_unit(run, event.node):
            key = (run.project, each.key)
            breaker = self._changes.breakers.get(key)
            if breaker is not None:  # somebody deletes it at this moment
                found.append((key, breaker if each.policy is None else replace(breaker, policy=each.policy)))
        return found


def _keys(items: Iterable[Item], runs: Runs) -> list[Key]:
    """Of all units that are claimed or whose attempts end, in the order of locks."""
    keys = {
        (run.project, each.key)
        for id_, event in items
        if isinstance(event, (AttemptClaimed, *ENDED)) and (run := runs.get(id_)) is not None
        for each in _of_unit(run, event.node)
    }
    return sorted(keys)


def _of_unit(run: Run, unit: str) -> tuple[BreakerKey, ...]:
    """An undoing runs another agent: it has none. Nor has a unit that the plan does not know."""
    planned = run.plan.nodes.get(node_of(unit))
    if planned is None or is_undo(unit):
        return ()
    return breaker_keys(run.plan.definition.name, planned.definition)


def _is_bad_news(event: RunEvent) -> bool:
    return isinstance(event, AttemptFailed) and report_of(event.failure) is Report.FAILED


def _report(run: Run, event: Ended) -> tuple[Report, str]:
    """What the end says, and how it failed. What is stopped because its run is cancelled says nothing."""
    if isinstance(event, AttemptSucceeded):
        return Report.SUCCEEDED, ""
    if not isinstance(event, AttemptFailed) or run.state is RunState.CANCELLING:
        return Report.NOTHING, ""
    failure = event.failure
    return report_of(failure), " ".join(f"{failure.type}: {failure.message}".replace("\x00", "").split())


def _why_changed(before: Breaker, after: Breaker) -> str:
    if after.state is BreakerState.CLOSED:
        return f"{before.recovered + 1} calls in a row succeeded"
    if before.state is BreakerState.HALF_OPEN:
        return f"a call failed while it recovered: {after.last_failure}"
    return f"{after.failed} of {after.failed + after.succeeded} calls failed, last: {after.last_failure}"
