"""Askers of a batcher are served in turn by their key."""

import asyncio

from orchestrator.engine.batch import Batcher
from penstock.service import end


async def test_a_burst_of_one_key_stands_before_nobody_else() -> None:
    served: list[list[str]] = []
    gate = asyncio.Event()

    async def work(items: list[str]) -> list[str | Exception]:
        await gate.wait()
        served.append(items)
        return list(items)

    batcher: Batcher[str, str] = Batcher(work, items_max=4, key=lambda item: item[0])
    loop = asyncio.create_task(batcher.run())
    asked = [asyncio.create_task(batcher.ask([f"a{number}"])) for number in range(10)]
    asked.append(asyncio.create_task(batcher.ask(["b0"])))
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(*asked)
    await end(loop)

    assert served[0] == ["a0", "b0", "a1", "a2"]
    assert [answer for (answer,) in answers] == [*(f"a{number}" for number in range(10)), "b0"]
