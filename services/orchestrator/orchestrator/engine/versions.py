"""What the doors may ask of a workflow's versions: the part of `port.py: Registry` that compares and lists them."""

from typing import Protocol

from orchestrator.engine.views import Page, VersionSummary, WorkflowDiff


class Versions(Protocol):
    async def versions(
        self, project: str, name: str, *, limit: int, cursor: str | None
    ) -> Page[VersionSummary]:
        """Newest first. Raises NotFound."""
        ...

    async def diff(self, project: str, name: str, *, before: int | None, after: int | None) -> WorkflowDiff:
        """`after` None: the latest; `before` None: the one before `after`. Raises NotFound, InvalidInput."""
        ...
