"""Which faults a simulated world has: drawn anew for each seed, so that some worlds are calm and some terrible."""

from random import Random
from typing import NamedTuple


class Faults(NamedTuple):
    """Probabilities for each occasion, unless the name says otherwise."""

    drop: float  # a message is lost
    duplicate: float  # a message comes twice
    delay_s_max: float  # how long a message may take, so how far it may be overtaken
    crash_before_commit: float  # an orchestrator dies with a decision that nobody saw
    crash_after_commit: float  # … or with one that it could not tell anybody
    relay_repeats: bool  # after such a crash, what was to be published is published from the timeline
    runner_crash: float  # at each start of an attempt
    runner_pause: float  # at each start: stopped for longer than its lease, then goes on
    release: float  # at each start: given back
    attempt_fails: float
    undo_fails: float  # of the attempts of undoings
    permanently: float  # share of the failures that no retry can help
    orchestrators: int
    runners: int
    cancel: float  # for the whole run
    retry: float  # of a run that ended badly
    compensate: float  # of a run that ended otherwise than undone
    held: float  # a claim is refused by a breaker
    cached: float  # another run has put an output into the cache
    child_refused: float  # a sub-workflow cannot be started
    meddling: int  # how often people want something, in the whole run
    queued: bool  # the run has to wait for a slot
    asks: float  # of attempts whose agent has questions left: it asks a person


def draw(random: Random) -> Faults:
    def sometimes(most: float) -> float:
        return random.choice([0.0, 0.0, most * random.random(), most])

    return Faults(
        drop=sometimes(0.2),
        duplicate=sometimes(0.4),
        delay_s_max=random.choice([0.001, 0.01, 1.0, 8.0]),
        crash_before_commit=sometimes(0.05),
        crash_after_commit=sometimes(0.1),
        relay_repeats=random.random() < 0.5,
        runner_crash=sometimes(0.05),
        runner_pause=sometimes(0.08),
        release=sometimes(0.2),
        attempt_fails=sometimes(0.2),
        undo_fails=sometimes(0.4),
        permanently=random.choice([0.0, 0.0, 0.2, 1.0]),
        orchestrators=random.randint(1, 2),
        runners=random.randint(1, 3),
        cancel=random.choice([0.0, 0.0, 0.0, 1.0]),
        retry=random.choice([0.0, 1.0]),
        compensate=random.choice([0.0, 0.0, 1.0]),
        held=sometimes(0.2),
        cached=sometimes(0.5),
        child_refused=sometimes(0.2),
        meddling=random.choice([0, 0, 0, 2, 6]),
        queued=random.random() < 0.1,
        asks=sometimes(0.5),
    )


def stormy(random: Random) -> Faults:
    """Much fails, and people meddle all the time."""
    return draw(random)._replace(
        attempt_fails=random.choice([0.0, 0.1, 0.4]),
        undo_fails=random.choice([0.0, 0.4, 0.8]),
        permanently=random.choice([0.0, 0.5]),
        cancel=random.choice([0.0, 0.3]),
        retry=random.choice([0.0, 1.0]),
        compensate=random.choice([0.0, 0.5, 1.0]),
        meddling=random.choice([0, 10, 40]),
    )


def none() -> Faults:
    """A world in which nothing goes wrong."""
    return Faults(
        *(0, 0, 0.001, 0, 0, False, 0, 0, 0, 0, 0, 0),
        **{"orchestrators": 1, "runners": 2, "cancel": 0, "retry": 0, "compensate": 0},
        **{"held": 0, "cached": 0, "child_refused": 0, "meddling": 0, "queued": False, "asks": 0},
    )
