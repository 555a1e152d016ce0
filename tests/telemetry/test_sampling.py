"""Which traces are kept: a share of them, and under a burst only so many."""

from penstock.telemetry.sampling import Sampler
from penstock.telemetry.tracing import tracing_settings

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


def test_a_burst_is_sampled_at_the_limit_and_no_more() -> None:
    now = 0.0
    sample = Sampler(1.0, per_second_max=5, clock=lambda: now)

    first = sum(sample() for _ in range(1_000))
    now = 0.4
    later = sum(sample() for _ in range(1_000))
    now = 60.0
    much_later = sum(sample() for _ in range(1_000))

    assert (first, later, much_later) == (5, 2, 5)


def test_a_share_that_somebody_names_has_no_limit() -> None:
    wishes = ({}, {"OTEL_TRACES_SAMPLER_ARG": "0.5"}, {"OTEL_TRACES_SAMPLER": "parentbased_always_on"})

    found = [tracing_settings({**ENDPOINT, **wish}) for wish in wishes]

    assert [(each.ratio, each.per_second_max) for each in found if each] == [(0.1, 5), (0.5, None), (1, None)]
