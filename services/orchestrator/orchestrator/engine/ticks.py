"""The run of one tick: its input filled in and checked, started once for its moment, and noted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from orchestrator.domain.run import RUN_ENDED
from orchestrator.engine.port import Engine, Registry, StartRun, Superseded
from orchestrator.store.schedules import Key, note
from orchestrator.store.start import holders
from penstock.contracts.errors import Conflict, InvalidInput, NotFound, in_full
from penstock.contracts.names import RESERVED_KEY_PREFIX
from penstock.contracts.template import Evaluate, ExpressionFailed, TemplateError, compile_template
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.telemetry import metrics

DIGEST = "schedule"  # the key says it all: the same tick is the same run, whatever was saved in between
LABEL = "schedule"
REFUSALS = (InvalidInput, NotFound, Conflict)  # the same tick would be refused again


class Tick(Value, frozen=True):
    """A tick to start: of which version, at which moment, with the schedule's own `input` (JSON)."""

    key: Key
    version: int
    moment: datetime
    input: bytes | None
    by: str | None


class TickRun(Value, frozen=True):
    run_id: UUID
    is_open: bool


class TickRuns:
    """Starts the runs of ticks; however often a tick is started, it has one run."""

    def __init__(self, pool: asyncpg.Pool, engine: Engine, registry: Registry, evaluate: Evaluate) -> None:
        self._pool = pool
        self._engine = engine
        self._registry = registry
        self._evaluate = evaluate

    async def start(self, tick: Tick) -> TickRun:
        """Raises REFUSALS once they are noted; after Superseded or any other error it may be started again."""
        try:
            started = await self._engine.start(await self._request(tick))
        except Superseded:
            raise
        except REFUSALS as error:
            await self._note(tick, "refused", reason=in_full(error))
            raise
        run = TickRun(started.run_id, is_open=started.state not in RUN_ENDED)
        await self._note(tick, "started", run=run)
        return run

    async def started(self, key: Key, moments: Sequence[datetime]) -> dict[datetime, UUID]:
        """The runs that these ticks have already."""
        asked = {(key.project, idempotency_key(key, moment)): moment for moment in moments}
        found = await holders(self._pool, list(asked))
        return {asked[pair]: holder.run_id for pair, holder in found.items()}

    async def _request(self, tick: Tick) -> StartRun:
        workflow = await self._registry.resolve(tick.key.project, tick.key.workflow, tick.version)
        return StartRun(
            project=tick.key.project,
            workflow=tick.key.workflow,
            version=tick.version,
            latest=True,
            input=workflow.check_input(self._input(tick)),
            digest=DIGEST,
            idempotency_key=idempotency_key(tick.key, tick.moment),
            labels={LABEL: tick.key.name},
            by=tick.by or f"schedule {tick.key.name}",
        )

    def _input(self, tick: Tick) -> bytes:
        template = {} if tick.input is None else msgspec.json.decode(tick.input)
        context = {"schedule": {"name": tick.key.name, "at": rfc3339(tick.moment)}}
        try:
            return encode(compile_template(template).render(self._evaluate, context))
        except (ExpressionFailed, TemplateError) as error:
            raise InvalidInput.at("input", str(error)) from error

    async def _note(
        self, tick: Tick, outcome: str, *, run: TickRun | None = None, reason: str | None = None
    ) -> None:
        metrics.SCHEDULE_TICKS.labels(outcome).inc()
        run_id, is_open = (run.run_id, run.is_open) if run else (None, False)
        await note(self._pool, tick.key, tick.moment, outcome, run=run_id, is_open=is_open, reason=reason)


def idempotency_key(key: Key, moment: datetime) -> str:
    """One run for each tick, whoever starts it and however often."""
    return f"{RESERVED_KEY_PREFIX}schedule/{key.workflow}/{key.name}/{rfc3339(moment)}"


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
