"""What the parts of this room want of the store. All raise Unavailable when the database is away."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from notifier.alerts.action import Action, Outcome
from notifier.alerts.event import Told
from notifier.alerts.payload import Group, Status
from notifier.alerts.source import Source
from notifier.alerts.views import ActionPage, AlertPage
from penstock.contracts.value import Value


class Taken(Value, frozen=True, kw_only=True):
    """How many alerts of a webhook are new, by status, and how many were told before."""

    stored: dict[Status, int]
    repeated: dict[Status, int]


class AlertStore(Protocol):
    """Alerts, and what they wish."""

    async def take(self, source: Source, group: Group) -> Taken:
        """Keep what is new, count what is not; committed when this returns."""
        ...

    async def claim_unpublished(self, *, limit: int, lease: timedelta) -> Sequence[Told]:
        """The oldest that are not on the bus; nobody else gets them for `lease`."""
        ...

    async def mark_published(self, ids: Sequence[int], *, inbox: str | None) -> None:
        """Unless somebody has seen another inbox since `inbox`: then they may be lost, and are published again."""
        ...

    async def see_inbox(self, made_at: str, *, age_max: timedelta) -> int:
        """If it is another one than the last, what was published in `age_max` is due again; returns how many."""
        ...

    async def forget(self, *, older_than: timedelta, limit: int) -> int:
        """Delete what nobody has told of for so long; returns how many alerts went."""
        ...


class ActionStore(Protocol):
    """Actions: each is done once, however many notifiers there are."""

    async def order(self) -> None:
        """Turn wishes that are due into actions, and actions that nobody wishes any more into undoings."""
        ...

    async def claim(self, *, limit: int, lease: timedelta) -> Sequence[Action]: ...

    async def record(self, action: Action, *, outcome: Outcome, detail: str, acted: bool) -> None: ...

    async def postpone(self, action: Action, *, delay: timedelta, reason: str) -> None: ...


class AlertQueries(Protocol):
    """Reads for people; a wrong cursor raises InvalidInput."""

    async def alerts(
        self,
        *,
        source: str | None,
        status: str | None,
        project: str | None,
        limit: int,
        cursor: str | None,
    ) -> AlertPage: ...

    async def actions(
        self, *, source: str | None, state: str | None, project: str | None, limit: int, cursor: str | None
    ) -> ActionPage: ...
