"""Attempts of a node as people see them, with their calls of language models."""

from datetime import datetime

import msgspec

from penstock.contracts.failure import Failure


class ModelCallView(msgspec.Struct, frozen=True):
    """One call of a language model. `state`: open, done, failed, lost (its runner died) or replayed: it got the
    answer that an earlier attempt had paid for. `model` is what the agent asked for, `answered_by` what answered.
    """

    state: str
    operation: str
    model: str
    provider: str | None
    answered_by: str | None
    tokens_in: int
    tokens_out: int
    cost_dollars: float | None
    seconds: float | None
    error: str | None
    began_at: datetime


class ModelCallsView(msgspec.Struct, frozen=True):
    """The calls of one attempt. `items` are the last ones, at most 100. `cost_dollars` is what is known of the cost,
    null if nothing is; `unpriced` counts the calls of which it is not known."""

    calls: int
    replayed: int
    failed: int
    tokens_in: int
    tokens_out: int
    cost_dollars: float | None
    unpriced: int
    items: tuple[ModelCallView, ...]


class Attempt(msgspec.Struct, frozen=True):
    """One attempt of a node, as the timeline tells it. `outcome` is None while it runs.

    `agent_version`: of the agent that its runner ran; None for a sub-workflow. `models`: what it asked of language
    models; None: nothing.
    """

    attempt: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None  # succeeded | failed | cancelled | released | parked
    failure: Failure | None = None
    runner: str | None = None
    tier: str | None = None
    agent_version: str | None = None
    models: ModelCallsView | None = None
