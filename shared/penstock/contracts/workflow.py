"""A workflow definition, as values: what an author wrote, checked and with defaults filled in (design §3)."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec

from penstock.contracts.failure import RETRYABLE, ErrorClass
from penstock.contracts.limits import NODE_TIMEOUT_DEFAULT, RUN_TIMEOUT_DEFAULT
from penstock.contracts.names import POOL_DEFAULT

Json = Any
"""What `json.loads` gives: the one place where `Any` is honest."""


class OnFailure(StrEnum):
    """What a run does when a node has failed for good."""

    STOP = "stop"  # nothing new starts; what runs is waited for; the run fails
    CONTINUE = "continue"  # branches that do not depend on the failed node go on; the run fails at its end


class RunIf(StrEnum):
    """What a node wants of the nodes that it needs, once all of them have ended."""

    ALL_SUCCEEDED = "all_succeeded"
    ANY_SUCCEEDED = "any_succeeded"
    ALL_DONE = "all_done"


class RetryProfile(msgspec.Struct, frozen=True):
    """How often and how late a failed attempt is repeated. `attempts` counts the first one too."""

    attempts: int
    delay: timedelta
    delay_max: timedelta
    factor: float
    jitter: float  # share of the delay: 0.25 spreads it by ±25 %
    retry_on: frozenset[ErrorClass] = RETRYABLE


def _ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


# Source: requirement V2.
RETRY_PROFILES = {
    "standard": RetryProfile(3, _ms(500), _ms(5_000), 2.0, 0.25),
    "aggressive": RetryProfile(5, _ms(1_000), _ms(10_000), 2.0, 0.25),
    "conservative": RetryProfile(2, _ms(1_000), _ms(3_000), 1.5, 0.0),
    "none": RetryProfile(1, _ms(0), _ms(0), 1.0, 0.0),
}
RETRY_PROFILE_DEFAULT = "standard"


class NodeDefinition(msgspec.Struct, frozen=True):
    """One node: the agent that it runs, what it needs, and what it hands to the agent."""

    name: str
    agent: str
    pool: str = POOL_DEFAULT
    with_: Json = None  # a JSON value whose strings may hold ${{ expressions }}
    needs: tuple[str, ...] = ()  # as written; edges that expressions imply are found by the graph
    if_: str | None = None  # "${{ … }}", must give a bool
    run_if: RunIf = RunIf.ALL_SUCCEEDED
    timeout: timedelta = NODE_TIMEOUT_DEFAULT
    retry: RetryProfile = RETRY_PROFILES[RETRY_PROFILE_DEFAULT]


class WorkflowDefinition(msgspec.Struct, frozen=True):
    """A workflow as its author means it. `nodes` keeps the author's order."""

    name: str
    nodes: tuple[NodeDefinition, ...]
    description: str = ""
    inputs: Json = None  # JSON Schema of the run's input, or None for anything
    timeout: timedelta = RUN_TIMEOUT_DEFAULT
    on_failure: OnFailure = OnFailure.STOP
    output: Json = None  # a JSON value whose strings may hold ${{ expressions }}
