"""Days that come in as text."""

from datetime import date

from penstock.agents import Invalid


def day_of(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{name}: '{text}' is no date; expected one like 2026-01-31") from None
