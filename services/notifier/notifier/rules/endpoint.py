"""Whether a target may be called now: a breaker for each, so that a dead one costs the others nothing. Pure."""

from datetime import timedelta

from penstock.contracts.value import Value, replace

FAILURES_MAX = 5  # in a row
COOL_DOWN_S = 30.0  # then one probe
PUT_OFF_MAX = timedelta(hours=1)  # of what a target asks for itself with Retry-After


class Endpoint(Value, frozen=True):
    """One target, as one notifier knows it. Moments are seconds of a clock that only goes forward."""

    in_flight: int = 0
    failures: int = 0  # in a row
    closed_until: float = 0.0

    def room(self, now: float, *, concurrent_max: int) -> int:
        """How many more deliveries may begin: none while it is left alone, then one as a probe."""
        if now < self.closed_until:
            return 0
        allowed = 1 if self.failures >= FAILURES_MAX else concurrent_max
        return max(0, allowed - self.in_flight)

    def is_left_alone(self, now: float) -> bool:
        return now < self.closed_until

    def began(self) -> "Endpoint":
        return replace(self, in_flight=self.in_flight + 1)

    def given_back(self) -> "Endpoint":
        """One ended without the target having been asked: nothing is learned of it."""
        return replace(self, in_flight=self.in_flight - 1)

    def ended(self, *, ok: bool, now: float, asked: timedelta | None = None) -> "Endpoint":
        """After one delivery; `asked` is how long the target wants to be left alone."""
        in_flight = self.in_flight - 1
        if ok:
            return Endpoint(in_flight=in_flight)
        failures = self.failures + 1
        cool_down = COOL_DOWN_S if failures >= FAILURES_MAX else 0.0
        put_off = min(asked, PUT_OFF_MAX).total_seconds() if asked else 0.0
        closed_until = max(self.closed_until, now + max(cool_down, put_off))
        return Endpoint(in_flight=in_flight, failures=failures, closed_until=closed_until)
