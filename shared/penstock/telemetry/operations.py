"""The time that operations of a store take: one histogram for each function that carries `@measured`."""

import functools
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from penstock.contracts.errors import PenstockError, Unavailable
from penstock.telemetry import metrics

P = ParamSpec("P")
R = TypeVar("R")


def measured(
    operation: Callable[P, Coroutine[Any, Any, R]],
) -> Callable[P, Coroutine[Any, Any, R]]:
    """`operation` under its own name. What it refuses (no such run) is an answer and no failure."""
    name = operation.__qualname__
    find_seconds = functools.cache(
        lambda: metrics.DATABASE_SECONDS.labels(name)
    )  # no series before its first use

    @functools.wraps(operation)
    async def timed(*args: P.args, **kwargs: P.kwargs) -> R:
        began = time.perf_counter()
        try:
            return await operation(*args, **kwargs)
        except Exception as error:
            if isinstance(error, Unavailable) or not isinstance(error, PenstockError):
                metrics.DATABASE_ERRORS.labels(name).inc()
            raise
        finally:
            find_seconds().observe(time.perf_counter() - began)

    return timed
