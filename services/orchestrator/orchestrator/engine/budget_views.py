"""Budgets as people see them, and what a door may ask of whoever keeps them."""

from datetime import date
from typing import Protocol
from uuid import UUID

from penstock.contracts.budget import Allowance, BudgetDefinition, OnSpent
from penstock.contracts.value import Value


class DollarsView(Value, frozen=True):
    """`limit` with what people have added to it (`raised`); it and `left` are null where nobody limits dollars."""

    limit: float | None
    raised: float
    spent: float
    reserved: float
    left: float | None


class TokensView(Value, frozen=True):
    limit: int | None
    raised: int
    spent: int
    reserved: int
    left: int | None


class BudgetView(Value, frozen=True, kw_only=True):
    """One account. `on_limit` is null where nobody limits it; `unpriced` counts calls whose cost is not known:
    they are charged with what was reserved for them."""

    key: str
    scope: str
    workflow: str | None = None
    run: UUID | None = None
    day: date | None = None
    on_limit: OnSpent | None = None
    dollars: DollarsView
    tokens: TokensView
    unpriced: int = 0


class BudgetsView(Value, frozen=True):
    items: tuple[BudgetView, ...]


class Budgets(Protocol):
    """Keeps limits and accounts of a project."""

    async def list(
        self, project: str, *, workflow: str | None, run: UUID | None, day: date | None
    ) -> BudgetsView:
        """Of the project, of its workflows, of its runs that have not ended; of that day, else of today (UTC)."""
        ...

    async def of_project(self, project: str) -> BudgetDefinition:
        """Raises NotFound when none is set."""
        ...

    async def set(self, project: str, budget: BudgetDefinition, *, by: str, reason: str) -> None:
        """In the place of what was set before. It counts from the next call on, in every orchestrator."""
        ...

    async def clear(self, project: str, *, by: str, reason: str) -> None:
        """Raises NotFound when none is set."""
        ...

    async def raise_run(
        self, project: str, run: UUID, added: Allowance, *, by: str, reason: str
    ) -> BudgetView:
        """Adds to the limit of the run, or of the nearest run above it that has one. Raises NotFound, Conflict."""
        ...
