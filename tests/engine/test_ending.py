"""How loops are ended: all of them, however often the one who ends them is cancelled himself."""

import asyncio

from penstock.service import end


async def test_a_task_that_is_cancelled_again_while_it_ends_its_own_leaves_none_behind() -> None:
    begun = asyncio.Event()

    async def deaf() -> None:
        """Swallows the first cancellation, as `wait_for` of Python 3.11 may."""
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def parent() -> None:
        child = asyncio.create_task(deaf(), name="child")
        try:
            await asyncio.Event().wait()
        finally:
            await end(child)

    task = asyncio.create_task(parent())
    await begun.wait()
    await end(task)

    assert [left.get_name() for left in asyncio.all_tasks() if left.get_name() == "child"] == []
