"""Names that authors give, the nearest valid name to a wrong one, and the well-known ones."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

NAME_PATTERN = r"[a-z][a-z0-9-]{0,62}"
PROJECT_DEFAULT = "default"
POOL_DEFAULT = "default"
SUBJECT_LABEL = "subject"  # runs are numbered within it
RESERVED_KEY_PREFIX = "penstock:"
"""Idempotency keys that begin so are Penstock's own: a client's key must not take a schedule's tick."""
RESERVED_TYPE_PREFIX = "penstock."
"""Types of events that begin so are Penstock's own: nobody else may say that an alert fires."""

_NAME = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether `text` can name a workflow, node, agent, pool or project."""
    return _NAME.fullmatch(text) is not None


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that a person most likely meant by `name`, or None when nothing is close.

    `llm` means `dependency/llm`: the last part of a path is enough.
    """
    choices = list(choices)
    for choice in choices:
        if choice.rpartition("/")[2] == name != choice:
            return choice
    matches = get_close_matches(name, choices, n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The tail of an error message: "; did you mean 'scanner'?", or the empty string."""
    match = nearest(name, choices)
    return f"; did you mean '{match}'?" if match else ""
