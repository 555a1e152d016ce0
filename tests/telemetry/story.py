"""A run as the observer sees it: the real core decides, each commit has the moment that the test gives it."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import uuid_utils.compat as uuid_utils

from orchestrator.domain.decide import begin, decide
from orchestrator.domain.decision import Command, Fact
from orchestrator.domain.events import (
    AttemptClaimed,
    AttemptFailed,
    AttemptSucceeded,
    LeaseLapsed,
    RunEvent,
)
from orchestrator.domain.plan import make_plan
from orchestrator.domain.run import Run
from orchestrator.engine.committed import Committed, dated, number_facts
from orchestrator.engine.observer import Observer
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.template import Evaluate
from penstock.contracts.usage import Usage
from penstock.definition import load

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Story:
    """One run. `seconds` is the moment of what happens next, counted from its start."""

    def __init__(
        self,
        observer: Observer,
        evaluate: Evaluate,
        document: dict[str, object],
        *,
        project: str = "default",
        traceparent: str | None = None,
    ) -> None:
        self._observer, self._evaluate = observer, evaluate
        self.seconds = 0.0
        self.tokens: dict[str, UUID] = {}
        decision = begin(
            id=uuid_utils.uuid7(),
            project=project,
            plan=make_plan(load(json.dumps(document)).definition, version=1),
            input=b"{}",
            evaluate=evaluate,
            labels={},
            traceparent=traceparent,
            by=None,
            priority=5,
            parent=None,
            pins={},
            concurrency_key=None,
            fork=None,
            queued=False,
        )
        self._commit(decision.run, decision.facts, decision.commands)

    def happens(self, event: RunEvent) -> None:
        decision = decide(self.run, event, evaluate=self._evaluate)
        self._commit(decision.run, decision.facts, decision.commands)

    def claim(self, unit: str) -> None:
        self.tokens[unit] = uuid4()
        self.happens(AttemptClaimed(unit, self.run.nodes[unit].attempt, self.tokens[unit], "runner-1"))

    def succeed(self, unit: str, *, usage: Usage | None = None) -> None:
        attempt = self.run.nodes[unit].attempt
        self.happens(AttemptSucceeded(unit, attempt, self.tokens[unit], b"{}", usage or Usage()))

    def fail(self, unit: str, error_class: ErrorClass = ErrorClass.ERROR, *, seconds: float = 0.0) -> None:
        failure = Failure("Broken", "it broke", error_class)
        attempt = self.run.nodes[unit].attempt
        self.happens(AttemptFailed(unit, attempt, self.tokens[unit], failure, 0.0, Usage(seconds)))

    def lapse(self, unit: str) -> None:
        self.happens(LeaseLapsed(unit, self.run.nodes[unit].attempt, self.tokens[unit], 0.0))

    def _commit(self, run: Run, facts: tuple[Fact, ...], commands: tuple[Command, ...]) -> None:
        self.run = run
        if facts:
            at = NOON + timedelta(seconds=self.seconds)
            events = dated(run, number_facts(run, list(facts)), at)
            self._observer([Committed(run, events, commands, facts)])
