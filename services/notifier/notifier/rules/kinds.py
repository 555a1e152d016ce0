"""Kinds of events as subscriptions name them: `run.failed`, `node.*`, `*`."""

import re
from collections.abc import Sequence

from penstock.contracts.names import did_you_mean
from penstock.contracts.timeline import Kind

KINDS = tuple(str(kind) for kind in Kind)
TYPE_PREFIX = "penstock."  # what a CloudEvent's type has before the kind


def pattern_of(events: Sequence[str]) -> re.Pattern[str]:
    """What matches a kind that any of `events` means; `*` stands for any text."""
    return re.compile("|".join(re.escape(event).replace(r"\*", ".*") for event in events))


def problem_of(event: str) -> str:
    """What is wrong with a pattern: it must mean at least one kind. Empty if nothing is."""
    if any(pattern_of([event]).fullmatch(kind) for kind in KINDS):
        return ""
    hint = did_you_mean(event.removeprefix(TYPE_PREFIX), KINDS) or "; such as run.failed, run.* or *"
    return f"no kind of event is '{event[:60]}'{hint}"


def first_kind(events: Sequence[str]) -> str:
    """A kind that the patterns mean: what a sample is of."""
    return next(kind for event in events for kind in KINDS if pattern_of([event]).fullmatch(kind))
