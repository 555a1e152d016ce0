"""What may be asked about keeping and deleting: the port of retention, and its messages."""

from datetime import timedelta
from typing import Protocol

import msgspec

from penstock.contracts.value import Value


class RetentionView(msgspec.Struct, frozen=True):
    """How long a project keeps its runs after their end. `is_default`: nobody has set it for this project."""

    project: str
    retention: str  # a duration: 30d
    is_default: bool


class PruneOrder(Value, frozen=True, kw_only=True):
    """Delete what has been kept long enough; `older_than` instead of what each project keeps.

    Without `project` of all of them. `dry_run`: only count.
    """

    by: str
    project: str | None = None
    older_than: timedelta | None = None
    dry_run: bool = False


class PruneReport(msgspec.Struct, frozen=True):
    """What was deleted, or with `dry_run` what would be. `more`: time was over before all of it was done."""

    dry_run: bool
    runs: int
    events: int
    log_lines: int
    partitions: tuple[str, ...]
    artifacts: int
    artifact_bytes: int
    more: bool = False


class Keeping(Protocol):
    """How long runs are kept, and what is deleted after that. Everything here raises Unavailable."""

    async def retention(self, project: str) -> RetentionView: ...

    async def set_retention(self, project: str, retention: timedelta, *, by: str) -> RetentionView: ...

    async def prune(self, order: PruneOrder) -> PruneReport:
        """Never a run that is open, that another one refers to, or whose events are not on the bus yet."""
        ...


class StoredFiles(Protocol):
    """The bytes of artifacts."""

    async def remove(self, sha256: str) -> None:
        """Delete the file, unless the artifact has a row again."""
        ...

    async def remove_strays(self) -> int:
        """Delete old files without a row: who deleted the row, or stored the file, died; returns how many."""
        ...
