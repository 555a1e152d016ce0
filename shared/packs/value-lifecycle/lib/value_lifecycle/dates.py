"""Days that come in as text."""

from datetime import date

from penstock.agents import Invalid

YEARS = range(1900, 2200)  # room for every horizon, on both sides


def day_of(text: str, name: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{name}: '{text}' is no date; expected one like 2026-01-31") from None
    if day.year not in YEARS:
        raise Invalid(f"{name}: {text} is outside the years {YEARS.start} to {YEARS.stop - 1}")
    return day
