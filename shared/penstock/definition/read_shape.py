"""Reads how often a node runs: for each item, again until it is right, or not at all since it has."""

import re

from penstock.contracts.duration import DURATION_EXPECTED
from penstock.contracts.limits import (
    CACHE_TTL_MAX,
    FOREACH_ITEMS_MAX,
    FOREACH_PARALLEL_DEFAULT,
    FOREACH_PARALLEL_MAX,
    REPEAT_MAX,
)
from penstock.contracts.template import OPENING
from penstock.contracts.workflow import CacheDefinition, ForeachDefinition, Json, OnMax, RepeatDefinition
from penstock.definition.fields import INSTANT, Fields

REPEAT_KEYS = ("until", "max", "on_max")
CACHE_KEYS = ("key", "ttl")

SHARE_PATTERN = r"[0-9]{1,2}(\.[0-9]{1,6})?%"
_SHARE = re.compile(SHARE_PATTERN)
_TOLERATED_EXPECTED = f"a number of items from 0 to {FOREACH_ITEMS_MAX}, or a share of them like 10% or 0.1"


def read_foreach(fields: Fields) -> ForeachDefinition | None:
    items = fields.value["foreach"]
    if not (isinstance(items, list) or (isinstance(items, str) and OPENING in items)):
        fields.wrong("foreach", "a list, or one ${{ expression }} that gives a list", items)
        return None
    if isinstance(items, list) and len(items) > FOREACH_ITEMS_MAX:
        message = f"{len(items)} items; at most {FOREACH_ITEMS_MAX} are allowed"
        fields.report.error(fields.at("foreach"), message)
    failures_max, failures_share = _read_tolerated(fields, fields.value.get("tolerate_failures", 0))
    return ForeachDefinition(
        items=items,
        max_parallel=fields.integer(
            "max_parallel", FOREACH_PARALLEL_DEFAULT, least=1, most=FOREACH_PARALLEL_MAX
        ),
        failures_max=failures_max,
        failures_share=failures_share,
    )


def _read_tolerated(fields: Fields, value: Json) -> tuple[int, float | None]:
    """How many items may fail, or which share of them."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= FOREACH_ITEMS_MAX:
        return value, None
    share = value if isinstance(value, float) else 0.0
    if isinstance(value, str) and _SHARE.fullmatch(value):
        share = float(value[:-1]) / 100
    if 0.0 < share < 1.0:
        return 0, share
    fields.wrong("tolerate_failures", _TOLERATED_EXPECTED, value)
    return 0, None


def read_repeat(fields: Fields) -> RepeatDefinition | None:
    own = fields.mapping("repeat", fields.value["repeat"], "a mapping with `until` and `max`")
    if own is None:
        return None
    own.only(REPEAT_KEYS)
    own.require("until", "one ${{ expression }} that gives true or false")
    is_bounded = own.require("max", f"how often at most, from 1 to {REPEAT_MAX}")
    until = own.optional_text("until")
    if until is None:
        return None
    return RepeatDefinition(
        until=until,
        max_=own.integer("max", 1, least=1, most=REPEAT_MAX) if is_bounded else 1,
        on_max=own.choice("on_max", OnMax, OnMax.FAIL),
    )


def read_cache(fields: Fields) -> CacheDefinition | None:
    own = fields.mapping("cache", fields.value["cache"], "a mapping with `key` and `ttl`")
    if own is None:
        return None
    own.only(CACHE_KEYS)
    own.require("key", "text with ${{ expressions }}")
    own.require("ttl", DURATION_EXPECTED)
    key = own.text("key")
    if own.value.get("key") == "":
        own.wrong("key", "text with ${{ expressions }}", "")
    return CacheDefinition(key=key, ttl=own.duration("ttl", CACHE_TTL_MAX, least=INSTANT, most=CACHE_TTL_MAX))
