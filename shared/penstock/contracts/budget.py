"""What calls of language models may cost, as authors and operators write it: amounts, and what happens at the limit."""

from enum import StrEnum

import msgspec

DOLLARS_MAX = 1e9  # as of one call; more is a slip of the keyboard
TOKENS_MAX = 10**12

QUESTION_PREFIX = "budget/"  # of the keys under which people are asked about budgets; no agent asks under one


class OnSpent(StrEnum):
    """What becomes of a call that a budget has no room for."""

    FAIL = "fail"  # it is refused, and the agent is told why
    PAUSE = "pause"  # the run is paused, and the attempt begins again when it goes on
    ASK = "ask"  # a person is asked to raise the budget; meanwhile no runner is held


class Allowance(msgspec.Struct, frozen=True):
    """At most this much; None: any amount. At least one of both is set."""

    dollars: float | None = None
    tokens: int | None = None


class BudgetDefinition(msgspec.Struct, frozen=True):
    """Key `budget` of a workflow. At least one of `run`, `day` and `total` is set.

    `run`: a run with its forks, retries and sub-workflows; `day`: all runs of the workflow in a day of UTC;
    `total`: all of them for ever.
    """

    run: Allowance | None = None
    day: Allowance | None = None
    total: Allowance | None = None
    on_limit: OnSpent = OnSpent.FAIL
