"""Waiting for somebody who may never answer, and may not even let go of us."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. Raises TimeoutError after `seconds`, whatever `work` does about its cancellation.

    A driver that is cancelled waits until its server has confirmed that, and a server that is frozen, or behind a
    network that drops everything, never does: `asyncio.timeout` would wait with it.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait((task,), timeout=seconds)
        if task.done():
            return task.result()
        raise TimeoutError(f"no answer within {seconds:g} s")
    finally:
        task.cancel()
        task.add_done_callback(_forget)


def _forget(task: asyncio.Task[T]) -> None:
    """What an abandoned task ends with is nobody's concern; asyncio would complain that nobody looks."""
    if not task.cancelled():
        task.exception()
