"""Asking people to raise a budget, and what their answer does to it: in the transaction that takes the answer."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from orchestrator.domain.budget import Over
from orchestrator.domain.decision import Outcome
from orchestrator.domain.detail import Question
from orchestrator.domain.events import Answered, BudgetRaised, RunEvent
from orchestrator.domain.run import Run
from orchestrator.engine.admission import Item, Runs
from orchestrator.store.budget_accounts import Raise, lock_accounts, raise_account
from orchestrator.store.budget_questions import Asked, answer_question, questions_of, write_rejection
from penstock.contracts.budget import DOLLARS_MAX, QUESTION_PREFIX, TOKENS_MAX
from penstock.contracts.messages import AgentQuestion


def question_about(over: Over, *, key: str = "") -> AgentQuestion:
    """Its form takes what to add; 0 of it only tries again, after somebody else has raised the budget."""
    amounts = {
        "dollars": {"type": "number", "minimum": 0, "maximum": DOLLARS_MAX},
        "tokens": {"type": "integer", "minimum": 0, "maximum": TOKENS_MAX},
    }
    return AgentQuestion(
        key=key or f"{QUESTION_PREFIX}{over.limit.account.scope}",
        message=f"{over.sentence}. By how much is it raised?",
        details={"budget": over.limit.account.key},
        form={
            "type": "object",
            "additionalProperties": False,
            "required": [over.unit],
            "properties": {over.unit: amounts[over.unit]},
        },
    )


class BudgetGate:
    """`Gate` that raises budgets: it refuses nothing."""

    async def concerns(self, items: Sequence[Item], runs: Runs) -> bool:
        return any(isinstance(event, BudgetRaised) or _asked(runs.get(run), event) for run, event in items)

    async def open(
        self, connection: asyncpg.Connection, items: Sequence[Item], runs: Runs
    ) -> "BudgetPassage":
        keys = [
            (run, event.node, key)
            for run, event in items
            if isinstance(event, Answered) and (key := _asked(runs.get(run), event))
        ]
        asked = await questions_of(connection, keys) if keys else []
        accounts = {(runs[each.run_id].project, each.key) for each in asked}
        for run, event in items:
            if isinstance(event, BudgetRaised) and run in runs:
                accounts.add((runs[run].project, event.account))
        for project in sorted({project for project, _ in accounts}):
            await lock_accounts(connection, project, sorted(key for of, key in accounts if of == project))
        return BudgetPassage(connection, asked)


class BudgetPassage:
    """`Passage`: raises and answers to questions about budgets, whose accounts are locked."""

    def __init__(self, connection: asyncpg.Connection, asked: Sequence[Asked]) -> None:
        self._connection = connection
        self._asked = {(each.run_id, each.node, each.question): each for each in asked}
        self._taken: list[tuple[str, Asked, Answered]] = []
        self._raised: list[tuple[str, BudgetRaised]] = []

    def consider(self, run: Run, event: RunEvent) -> RunEvent | None:
        return event

    def took(self, before: Run, event: RunEvent, outcome: Outcome) -> None:
        if outcome is not Outcome.APPLIED:
            return
        if isinstance(event, BudgetRaised):
            self._raised.append((before.project, event))
        if not isinstance(event, Answered):
            return
        asked = self._asked.get((before.id, event.node, _asked(before, event)))
        if asked is not None:
            self._taken.append((before.project, asked, event))

    async def save(self) -> None:
        for project, raised in self._raised:
            change = Raise(
                key=raised.account,
                dollars=raised.dollars,
                tokens=raised.tokens,
                by=raised.by,
                reason=raised.reason,
            )
            await raise_account(self._connection, project, change)
        for project, asked, answer in self._taken:
            await answer_question(self._connection, asked, approved=answer.approved, by=answer.by)
            if answer.approved:
                await raise_account(self._connection, project, _raise(asked, answer))
            else:
                await write_rejection(
                    self._connection, project, asked.key, by=answer.by, reason=_reason(asked.run_id, answer)
                )

    async def after_save(self) -> None:
        """Nothing is locked after the runs."""


def _asked(run: Run | None, event: RunEvent) -> str:
    """The key of the question about a budget that the event answers; "": it answers none."""
    if run is None or not isinstance(event, Answered):
        return ""
    unit = run.nodes.get(event.node)
    detail = None if unit is None else unit.detail
    if not isinstance(detail, Question) or not (detail.key or "").startswith(QUESTION_PREFIX):
        return ""
    return detail.key or ""


def _raise(asked: Asked, answer: Answered) -> Raise:
    return Raise(
        key=asked.key,
        dollars=float(answer.fields.get("dollars", 0.0)),
        tokens=int(answer.fields.get("tokens", 0)),
        by=answer.by,
        reason=_reason(asked.run_id, answer),
    )


def _reason(run: UUID, answer: Answered) -> str:
    return f"{answer.comment} (asked by run {run})".strip()
