"""Whether budgets have room for a call of a model: limits, accounts, and the sentence when there is none."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from uuid import UUID

from penstock.contracts.budget import Allowance, BudgetDefinition, OnSpent
from penstock.contracts.value import Value


class Scope(StrEnum):
    """What an account is of. A `run` is one with its forks, retries and sub-workflows."""

    RUN = "run"
    WORKFLOW_DAY = "workflow_day"
    WORKFLOW_TOTAL = "workflow_total"
    PROJECT_DAY = "project_day"
    PROJECT_TOTAL = "project_total"


class AccountName(Value, frozen=True):
    """An account of a project. Which of the fields are set follows from the scope."""

    scope: Scope
    workflow: str | None = None
    run: UUID | None = None
    day: date | None = None

    @property
    def key(self) -> str:
        match self.scope:
            case Scope.RUN:
                return f"run/{self.run}"
            case Scope.WORKFLOW_DAY:
                return f"workflow/{self.workflow}/day/{self.day}"
            case Scope.WORKFLOW_TOTAL:
                return f"workflow/{self.workflow}/total"
            case Scope.PROJECT_DAY:
                return f"project/day/{self.day}"
            case Scope.PROJECT_TOTAL:
                return "project/total"

    @property
    def title(self) -> str:
        """As a sentence names it."""
        match self.scope:
            case Scope.RUN:
                return f"the budget of run {self.run}"
            case Scope.WORKFLOW_DAY:
                return f"the budget of workflow '{self.workflow}' for {self.day} (UTC)"
            case Scope.WORKFLOW_TOTAL:
                return f"the whole budget of workflow '{self.workflow}'"
            case Scope.PROJECT_DAY:
                return f"the budget of the project for {self.day} (UTC)"
            case Scope.PROJECT_TOTAL:
                return "the whole budget of the project"


class Account(Value, frozen=True):
    """What was spent and is reserved, and by how much people have raised the limit."""

    tokens_spent: int = 0
    dollars_spent: float = 0.0
    tokens_reserved: int = 0
    dollars_reserved: float = 0.0
    tokens_raised: int = 0
    dollars_raised: float = 0.0
    raises: int = 0


class Level(Value, frozen=True):
    """A run that a call is charged to. `account_run`: of its forks the one that was there first."""

    account_run: UUID
    workflow: str
    version: int
    latest: (
        int  # version of the workflow: what it says of days and of the total holds for runs of all versions
    )


class Limit(Value, frozen=True):
    account: AccountName
    allowance: Allowance
    on_limit: OnSpent


class Wish(Value, frozen=True):
    """The most that a call may use; no dollars: its price is not known."""

    tokens: int
    dollars: float | None


class Over(Value, frozen=True):
    """A budget without room for the call. `unit` is dollars or tokens; `may_pass`: there would be room if calls that
    run now took nothing, so it is worth waiting for their ends."""

    limit: Limit
    unit: str
    sentence: str
    on_limit: OnSpent
    raises: int
    may_pass: bool = False


def accounts_of(levels: Sequence[Level], *, day: date) -> tuple[AccountName, ...]:
    """All that a call is charged to, whether somebody limits it or not; those of the run itself come first."""
    workflows = dict.fromkeys(level.workflow for level in levels)
    return (
        *(AccountName(Scope.RUN, run=run) for run in dict.fromkeys(level.account_run for level in levels)),
        *(AccountName(Scope.WORKFLOW_DAY, workflow=name, day=day) for name in workflows),
        *(AccountName(Scope.WORKFLOW_TOTAL, workflow=name) for name in workflows),
        AccountName(Scope.PROJECT_DAY, day=day),
        AccountName(Scope.PROJECT_TOTAL),
    )


def limits_of_run(level: Level, budget: BudgetDefinition | None) -> Iterator[Limit]:
    """What the version that the run has says of the run."""
    if budget is not None and budget.run is not None:
        yield Limit(AccountName(Scope.RUN, run=level.account_run), budget.run, budget.on_limit)


def limits_of_workflow(workflow: str, budget: BudgetDefinition | None, *, day: date) -> Iterator[Limit]:
    """What the latest version says of all runs."""
    if budget is None:
        return
    if budget.day is not None:
        name = AccountName(Scope.WORKFLOW_DAY, workflow=workflow, day=day)
        yield Limit(name, budget.day, budget.on_limit)
    if budget.total is not None:
        name = AccountName(Scope.WORKFLOW_TOTAL, workflow=workflow)
        yield Limit(name, budget.total, budget.on_limit)


def limit_of_project(period: str, allowance: Allowance, on_limit: OnSpent, *, day: date) -> Limit:
    """`period` is day or total."""
    is_daily = period == "day"
    name = AccountName(Scope.PROJECT_DAY, day=day) if is_daily else AccountName(Scope.PROJECT_TOTAL)
    return Limit(name, allowance, on_limit)


def first_over(limits: Sequence[Limit], accounts: Mapping[str, Account], wish: Wish) -> Over | None:
    """The budget that stands in the way: of several the one that is strictest at its limit. None: there is room."""
    overs = [over for limit in limits if (over := _over(limit, accounts[limit.account.key], wish))]
    return min(overs, key=lambda over: (over.may_pass, _STRICTEST.index(over.on_limit)), default=None)


_STRICTEST = (OnSpent.FAIL, OnSpent.PAUSE, OnSpent.ASK)


def _over(limit: Limit, account: Account, wish: Wish) -> Over | None:
    if limit.allowance.dollars is not None:
        if wish.dollars is None:
            return Over(limit, "dollars", _unpriced(limit), OnSpent.FAIL, account.raises)
        most = limit.allowance.dollars + account.dollars_raised
        amounts = (account.dollars_spent, account.dollars_reserved, wish.dollars)
        # Amounts are sums of what is exact to nine digits: less than that is no overspending.
        if sum(amounts) > most + 1e-9:
            sentence = _sentence(limit, f"{in_dollars(most)} dollars", *map(in_dollars, amounts))
            may_pass = account.dollars_spent + wish.dollars <= most + 1e-9
            return Over(limit, "dollars", sentence, limit.on_limit, account.raises, may_pass)
    if limit.allowance.tokens is not None:
        tokens = limit.allowance.tokens + account.tokens_raised
        counts = (account.tokens_spent, account.tokens_reserved, wish.tokens)
        if sum(counts) > tokens:
            sentence = _sentence(limit, f"{tokens} tokens", *map(str, counts))
            may_pass = account.tokens_spent + wish.tokens <= tokens
            return Over(limit, "tokens", sentence, limit.on_limit, account.raises, may_pass)
    return None


def _sentence(limit: Limit, most: str, spent: str, reserved: str, wished: str) -> str:
    return (
        f"{limit.account.title} is {most}: {spent} are spent, {reserved} are reserved by calls that run,"
        f" and this call may take {wished}"
    )


def _unpriced(limit: Limit) -> str:
    return (
        f"{limit.account.title} is in dollars, and nobody knows the price of this call: set a price in the"
        " models file of the runner, or a budget in tokens"
    )


def in_dollars(amount: float) -> str:
    """At least cents, and no more digits than there are to tell: a call may cost a ten-thousandth."""
    text = f"{amount:.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"
