"""What every function of this store carries: it is measured, and a database that is away is Unavailable."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from penstock.contracts.errors import Unavailable
from penstock.postgres.errors import DATABASE_AWAY
from penstock.telemetry.operations import measured

P = ParamSpec("P")
R = TypeVar("R")


@asynccontextmanager
async def reachable() -> AsyncIterator[None]:
    """Whatever says that the database is away becomes Unavailable."""
    try:
        yield
    except DATABASE_AWAY as error:
        raise Unavailable(f"the database does not answer: {error or type(error).__name__}") from error


def operation(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Its time and its failures are metrics under its own name."""

    @functools.wraps(function)
    async def reaching(*args: P.args, **kwargs: P.kwargs) -> R:
        async with reachable():
            return await function(*args, **kwargs)

    return measured(reaching)
