"""Reads what protects a node: retries, how it is undone, its breaker, what it depends on."""

from datetime import timedelta

from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import ATTEMPTS_MAX, NODE_TIMEOUT_DEFAULT, RUN_TIMEOUT_MAX
from penstock.contracts.names import POOL_DEFAULT, is_name
from penstock.contracts.workflow import (
    RETRY_PROFILE_DEFAULT,
    RETRY_PROFILES,
    BreakerPolicy,
    Compensation,
    RetryProfile,
)
from penstock.definition.fields import INSTANT, NAME_EXPECTED, Fields

RETRY_KEYS = ("attempts", "delay", "max_delay", "factor", "jitter", "retry_on")
COMPENSATE_KEYS = ("agent", "pool", "with", "timeout", "retry")
BREAKER_KEYS = ("failures", "cooldown", "minimum", "window")

DELAY_MAX = timedelta(days=1)
FACTOR_MAX = 100.0
BREAKER_OUTCOMES_MAX = 1_000  # what a breaker remembers of its window
BREAKER_DURATION_MAX = timedelta(days=1)  # what is broken for longer needs a person
DEPENDENCIES_MAX = 20  # each is looked at whenever the node becomes ready


def read_retry(fields: Fields, default: RetryProfile) -> RetryProfile:
    """A profile by name, or one of the author's own; what that leaves out is as in the standard profile."""
    if "retry" not in fields:
        return default
    value = fields.value["retry"]
    if isinstance(value, str):
        if value not in RETRY_PROFILES:
            fields.report.unknown(fields.at("retry"), "retry profile", value, tuple(RETRY_PROFILES))
        return RETRY_PROFILES.get(value, default)
    own = fields.mapping("retry", value, f"one of {', '.join(RETRY_PROFILES)}, or a mapping with `attempts`")
    return default if own is None else _read_profile(own, RETRY_PROFILES[RETRY_PROFILE_DEFAULT])


def read_compensation(fields: Fields) -> Compensation | None:
    """A mapping, or the bare name of the agent."""
    if isinstance(fields.value["compensate"], str):
        return Compensation(agent=fields.name("compensate"))
    own = fields.mapping(
        "compensate", fields.value["compensate"], "an agent's name, or a mapping with `agent`"
    )
    if own is None:
        return None
    own.only(COMPENSATE_KEYS)
    own.require("agent", "the name of the agent that undoes what the node did")
    return Compensation(
        agent=own.name("agent"),
        pool=own.name("pool", POOL_DEFAULT),
        with_=own.value.get("with"),
        timeout=own.duration("timeout", NODE_TIMEOUT_DEFAULT, least=INSTANT, most=RUN_TIMEOUT_MAX),
        retry=read_retry(own, RETRY_PROFILES[RETRY_PROFILE_DEFAULT]),
    )


def read_breaker(fields: Fields) -> BreakerPolicy | None:
    """`true` for the defaults, or a mapping. Without `minimum` it is no less than `failures`."""
    value, default = fields.value["breaker"], BreakerPolicy()
    if value is True:
        return default
    own = fields.mapping("breaker", value, "true for the defaults, or a mapping with `failures`")
    if own is None:
        return None
    own.only(BREAKER_KEYS)
    failures = own.integer("failures", default.failures, least=1, most=BREAKER_OUTCOMES_MAX)
    least = max(default.minimum, failures)
    minimum = own.integer("minimum", least, least=1, most=BREAKER_OUTCOMES_MAX)
    if minimum < failures:
        message = f"minimum is less than failures: among {minimum} outcomes there are no {failures} failures"
        own.report.error(own.at("minimum"), message)
    return BreakerPolicy(
        failures=failures,
        cooldown=own.duration("cooldown", default.cooldown, least=INSTANT, most=BREAKER_DURATION_MAX),
        minimum=minimum,
        window=own.duration("window", default.window, least=INSTANT, most=BREAKER_DURATION_MAX),
    )


def read_dependencies(fields: Fields) -> tuple[str, ...]:
    """The names of what the node depends on, each once."""
    found: dict[str, None] = {}
    for path, name in fields.texts("depends_on", "a list of names"):
        if not is_name(name):
            fields.wrong_at(path, NAME_EXPECTED, name)
        found[name] = None
    if len(found) > DEPENDENCIES_MAX:
        message = f"{len(found)} dependencies; at most {DEPENDENCIES_MAX} are allowed"
        fields.report.error(fields.at("depends_on"), message)
    return tuple(found)


def _read_profile(own: Fields, default: RetryProfile) -> RetryProfile:
    own.only(RETRY_KEYS)
    delay = own.duration("delay", default.delay, least=timedelta(0), most=DELAY_MAX)
    delay_max = own.duration("max_delay", max(default.delay_max, delay), least=timedelta(0), most=DELAY_MAX)
    if delay_max < delay:
        own.report.error(own.at("max_delay"), "max_delay is shorter than delay")
    return RetryProfile(
        attempts=own.integer("attempts", default.attempts, least=1, most=ATTEMPTS_MAX),
        delay=delay,
        delay_max=delay_max,
        factor=own.number("factor", default.factor, least=1.0, most=FACTOR_MAX),
        jitter=own.number("jitter", default.jitter, least=0.0, most=1.0),
        retry_on=_read_error_classes(own) if "retry_on" in own else default.retry_on,
    )


def _read_error_classes(fields: Fields) -> frozenset[ErrorClass]:
    known = tuple(str(error_class) for error_class in ErrorClass)
    found: set[ErrorClass] = set()
    for path, text in fields.texts("retry_on", "a list of error classes"):
        if text in known:
            found.add(ErrorClass(text))
        else:
            fields.report.unknown(path, "error class", text, known)
    return frozenset(found)
