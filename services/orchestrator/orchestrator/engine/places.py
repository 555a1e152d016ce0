"""How many live views this process may serve: each costs memory and its share of every event (requirement M1)."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.contracts.errors import Unavailable
from penstock.contracts.limits import LIVE_VIEWS_MAX, LIVE_VIEWS_PER_WORKFLOW_MAX


class Places:
    """Counts open views, in all and by workflow."""

    def __init__(
        self, *, views_max: int = LIVE_VIEWS_MAX, per_workflow_max: int = LIVE_VIEWS_PER_WORKFLOW_MAX
    ) -> None:
        self._views_max, self._per_workflow_max = views_max, per_workflow_max
        self._taken = 0
        self._by_workflow: Counter[tuple[str, str]] = Counter()

    def refuse_when_full(self) -> None:
        """Raises Unavailable; asked first, so that a crowd costs nothing more."""
        if self._taken >= self._views_max:
            raise Unavailable(
                f"{self._views_max:,} live views are open here, and no more may be; "
                "try again in a moment, or read the events over HTTP or the bus"
            )

    @contextmanager
    def one(self, project: str, workflow: str | None) -> Iterator[None]:
        """A place for one view; raises Unavailable. `workflow` None: of all workflows of the project."""
        self.refuse_when_full()
        key = (project, workflow) if workflow else None
        if key is not None and self._by_workflow[key] >= self._per_workflow_max:
            raise Unavailable(
                f"{self._per_workflow_max} live views of workflow '{workflow}' are open here, and no more may be; "
                "try again in a moment, or watch the whole project"
            )
        self._taken += 1
        self._count(key, 1)
        try:
            yield
        finally:
            self._taken -= 1
            self._count(key, -1)

    def _count(self, key: tuple[str, str] | None, change: int) -> None:
        if key is None:
            return
        self._by_workflow[key] += change
        if not self._by_workflow[key]:
            del self._by_workflow[key]
