"""What this notifier knows of each target: how much is in flight, and which are left alone for now.

A target is one subscription's: two subscriptions of one host do not hold each other up. Several notifiers do not
share this; each learns of a dead target by five tries of its own.
"""

import time
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from notifier.deliveries.catalog import Entry
from notifier.rules.endpoint import Endpoint
from penstock.telemetry import metrics

IN_FLIGHT_MAX = 256  # of all targets; a target has at most 16 of them

_NEW = Endpoint()


class Endpoints:
    def __init__(self) -> None:
        self._known: dict[tuple[UUID, int], Endpoint] = {}
        self.in_flight = 0

    def room(self, entries: Iterable[Entry]) -> dict[UUID, int]:
        """Subscription → how many deliveries may begin now; those without room are left out.

        Who has the least in flight is first: when there is not enough for all, slow targets do not take it all.
        """
        now = time.monotonic()
        active = [entry for entry in entries if entry.subscription.active]
        active.sort(key=lambda entry: self._of(entry).in_flight)
        rooms = {
            entry.subscription.id: self._of(entry).room(now, concurrent_max=entry.channel.concurrent_max)
            for entry in active
        }
        return {id: room for id, room in rooms.items() if room > 0}

    @property
    def room_in_all(self) -> int:
        return IN_FLIGHT_MAX - self.in_flight

    def began(self, entry: Entry) -> None:
        self.in_flight += 1
        self._known[_key(entry)] = self._of(entry).began()

    def given_back(self, entry: Entry) -> None:
        """One ended without the target having been asked."""
        self._keep(entry, self._of(entry).given_back())

    def ended(self, entry: Entry, *, ok: bool, asked: timedelta | None) -> None:
        self._keep(entry, self._of(entry).ended(ok=ok, now=time.monotonic(), asked=asked))
        self.measure()

    def measure(self) -> None:
        now = time.monotonic()
        metrics.ENDPOINTS_OPEN.set(sum(endpoint.is_left_alone(now) for endpoint in self._known.values()))

    def forget(self, entries: Iterable[Entry]) -> None:
        """Forget idle targets of subscriptions that were changed or deleted."""
        kept = {_key(entry) for entry in entries}
        for key in [
            key for key, endpoint in self._known.items() if key not in kept and not endpoint.in_flight
        ]:
            del self._known[key]

    def _keep(self, entry: Entry, endpoint: Endpoint) -> None:
        self.in_flight -= 1
        if endpoint == _NEW:
            del self._known[_key(entry)]  # nothing to remember of a target that is well
        else:
            self._known[_key(entry)] = endpoint

    def _of(self, entry: Entry) -> Endpoint:
        return self._known.get(_key(entry), _NEW)


def _key(entry: Entry) -> tuple[UUID, int]:
    """A changed subscription may have another target: nothing is known of that."""
    return entry.subscription.id, entry.subscription.revision
