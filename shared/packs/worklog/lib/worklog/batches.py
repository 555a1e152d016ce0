"""Entries in batches, named by their first and their last key."""

from collections.abc import Iterable

BATCH_ENTRIES = 25


def batches_of(keys: Iterable[str]) -> list[dict[str, str]]:
    listed = sorted(keys)
    parts = (listed[start : start + BATCH_ENTRIES] for start in range(0, len(listed), BATCH_ENTRIES))
    return [{"first": part[0], "last": part[-1]} for part in parts]
