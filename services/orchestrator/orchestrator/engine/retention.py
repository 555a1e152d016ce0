"""Keeping and deleting: runs for as long as their project says, artifacts for as long as something names them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import structlog

from orchestrator.engine.keeping import PruneOrder, PruneReport, RetentionView, StoredFiles
from orchestrator.store.cache import forget_expired
from orchestrator.store.collect import delete_artifacts, unnamed_artifacts
from orchestrator.store.foretell import STAYING_PAGE, count_due, foretelling, months_to_drop
from orchestrator.store.partitions import add_months, drop_empty_months
from orchestrator.store.project_settings import read_retention, write_retention
from orchestrator.store.prune import Cutoffs, Deleted, delete_due, read_cutoffs
from penstock.contracts.duration import format_duration
from penstock.contracts.errors import Unavailable
from penstock.contracts.limits import ARTIFACT_GRACE
from penstock.postgres.errors import DATABASE_AWAY

PASS_EVERY_S = 3600.0
PRUNE_S_MAX = 20.0  # one order: who asked waits for the answer, and asks again while there is more
CACHED_OUTPUTS_MAX = 10_000  # of those that have expired, in one statement

log = structlog.get_logger(__name__)


class Retention:
    """`Keeping` over PostgreSQL, and what the clock calls. Several orchestrators may prune at once."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        files: StoredFiles,
        *,
        default: timedelta,
        grace: timedelta = ARTIFACT_GRACE,
    ) -> None:
        self._pool = pool
        self._files = files
        self._default = default
        self._grace = grace
        self._passed_at: float | None = None
        self._collected_to = ""

    async def __call__(self) -> None:
        """One pass an hour, and at once another one while there is more."""
        if self._passed_at is not None and time.monotonic() - self._passed_at < PASS_EVERY_S:
            return
        await self.make_room()
        report = await self.prune(PruneOrder(by="clock"))
        if self._passed_at is None and (strays := await self._files.remove_strays()):
            log.info("retention.strays_removed", files=strays)
        if not report.more:
            self._passed_at = time.monotonic()

    async def make_room(self) -> None:
        """The timeline's partitions of this month and the next; before any run can need them."""
        try:
            await add_months(self._pool)
        except asyncpg.LockNotAvailableError:
            log.warning(
                "retention.months_not_added", reason="the timeline was locked; tried again in an hour"
            )

    async def retention(self, project: str) -> RetentionView:
        async with _database():
            found = await read_retention(self._pool, project)
        return RetentionView(project, format_duration(found or self._default), is_default=found is None)

    async def set_retention(self, project: str, retention: timedelta, *, by: str) -> RetentionView:
        async with _database():
            await write_retention(self._pool, project, retention, by=by)
        log.info("retention.set", project=project, retention=format_duration(retention), by=by)
        return await self.retention(project)

    async def prune(self, order: PruneOrder) -> PruneReport:
        async with _database():
            cutoffs = await read_cutoffs(
                self._pool, project=order.project, older_than=order.older_than, default=self._default
            )
            if order.dry_run:
                return await self._foretell(cutoffs)
            report = await self._delete(cutoffs)
        older_than = None if order.older_than is None else format_duration(order.older_than)
        counts = {name: getattr(report, name) for name in report.__struct_fields__}
        log.info("retention.pruned", by=order.by, project=order.project, older_than=older_than, **counts)
        return report

    async def _foretell(self, cutoffs: Cutoffs) -> PruneReport:
        async with foretelling(self._pool, cutoffs) as connection:
            due, months = await count_due(connection), await months_to_drop(connection)
            artifacts, _ = await unnamed_artifacts(connection, grace=self._grace, page=STAYING_PAGE)
            return _report(due, months, artifacts, dry_run=True)

    async def _delete(self, cutoffs: Cutoffs) -> PruneReport:
        """Runs first: what only they named is nobody's then."""
        deleted, more = await self._delete_runs(cutoffs)
        await forget_expired(self._pool, rows_max=CACHED_OUTPUTS_MAX)
        months = await self._drop_months()
        artifacts = {} if more else await self._collect()
        return _report(deleted, months, artifacts, more=more)

    async def _delete_runs(self, cutoffs: Cutoffs) -> tuple[Deleted, bool]:
        began = time.monotonic()
        total = Deleted()
        while (batch := await delete_due(self._pool, cutoffs)).runs:
            total += batch
            if time.monotonic() - began > PRUNE_S_MAX:
                return total, True
        return total, False

    async def _drop_months(self) -> list[str]:
        try:
            return await drop_empty_months(self._pool)
        except asyncpg.LockNotAvailableError:
            log.warning("retention.months_not_dropped", reason="the timeline was locked; tried again later")
            return []

    async def _collect(self) -> dict[str, int]:
        """The row goes first: a file without a row is only space, a row without its file is a lie."""
        unnamed, self._collected_to = await unnamed_artifacts(
            self._pool, grace=self._grace, after=self._collected_to
        )
        deleted = await delete_artifacts(self._pool, list(unnamed), grace=self._grace)
        for sha256 in deleted:
            await self._files.remove(sha256)
        return deleted


def _report(
    deleted: Deleted,
    months: list[str],
    artifacts: dict[str, int],
    *,
    dry_run: bool = False,
    more: bool = False,
) -> PruneReport:
    return PruneReport(
        dry_run=dry_run,
        runs=deleted.runs,
        events=deleted.events,
        log_lines=deleted.log_lines,
        partitions=tuple(months),
        artifacts=len(artifacts),
        artifact_bytes=sum(artifacts.values()),
        more=more,
    )


@asynccontextmanager
async def _database() -> AsyncIterator[None]:
    try:
        yield
    except DATABASE_AWAY as error:
        raise Unavailable(f"the database does not answer: {error!r}") from error
