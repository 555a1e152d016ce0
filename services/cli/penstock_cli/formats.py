"""How values look to a person: durations, moments, sizes, states."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rich.text import Text

GLYPHS = {
    "waiting": ("·", "dim"),
    "ready": ("○", "cyan"),
    "queued": ("○", "cyan"),
    "running": ("▶", "bold blue"),
    "backoff": ("↻", "yellow"),
    "suspended": ("‖", "yellow"),
    "cancelling": ("◼", "yellow"),
    "succeeded": ("✔", "green"),
    "failed": ("✘", "bold red"),
    "skipped": ("↷", "dim"),
    "cancelled": ("◼", "magenta"),
    "paused": ("‖", "bold yellow"),
    "compensating": ("↶", "bold yellow"),
    "compensated": ("↶", "magenta"),
    "compensation_failed": ("✘", "bold red"),
}
ENDED = frozenset({"succeeded", "failed", "cancelled", "compensated"})
NODE_ENDED = ENDED | {"skipped", "compensating", "compensation_failed"}


def state(name: str) -> Text:
    """A state with its sign and colour."""
    glyph, style = GLYPHS.get(name, ("?", ""))
    return Text(f"{glyph} {name}", style=style)


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 moment of the API."""
    return datetime.fromisoformat(text) if text else None


def clock(text: str | None) -> str:
    """A moment as the local time of day."""
    parsed = moment(text)
    return parsed.astimezone().strftime("%H:%M:%S") if parsed else ""


def date_and_time(text: str | None) -> str:
    parsed = moment(text)
    return parsed.astimezone().strftime("%Y-%m-%d %H:%M:%S") if parsed else ""


def seconds_between(start: str | None, end: str | None) -> float | None:
    """How long it took, or takes so far; None before the start."""
    begun = moment(start)
    if begun is None:
        return None
    return max(0.0, ((moment(end) or datetime.now(UTC)) - begun).total_seconds())


def duration(seconds: float | None) -> str:
    """`820 ms`, `3.4 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(timedelta(seconds=int(seconds)), timedelta(minutes=1))
    if minutes < 60:
        return f"{minutes} min {rest.seconds:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(count: int) -> str:
    """`312 B`, `4.2 KiB`, `18.0 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def failure(document: dict[str, Any] | None) -> str:
    """`Type: message` of a failure, on one line."""
    if not document:
        return ""
    return " ".join(f"{document.get('type', 'Error')}: {document.get('message', '')}".split())
