"""The days that a report is about."""

from datetime import date, timedelta

from penstock.agents import Invalid

STANDUP_DAYS = 1
STATUS_DAYS = 7


def day(text: str, field: str) -> date:
    """Raises Invalid, which names the field."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Invalid(f"{field}: expected a day as 2026-10-05, not '{text}'") from None


def period_of(kind: str, since: str | None, until: str | None, *, latest: str | None) -> tuple[str, str]:
    """The first and the last day. Without `until`: the day of the latest entry; without `since`: as long as the
    kind of report is about."""
    last = day(until, "until") if until else date.fromisoformat(latest) if latest else None
    if last is None:
        raise Invalid("until: expected a day, for there are no entries to take it from")
    length = STANDUP_DAYS if kind == "standup" else STATUS_DAYS
    first = day(since, "since") if since else last - timedelta(days=length - 1)
    if first > last:
        raise Invalid(f"since: {first} is after until, {last}")
    return first.isoformat(), last.isoformat()
