"""Does what its input says, and remembers in which order it was asked: one process serves one attempt after another."""

import asyncio
from collections import defaultdict
from typing import Any

from penstock.agents import agent, context

asked: dict[str, list[Any]] = defaultdict(list)


@agent
async def actor(value: Any = None, seconds: float = 0, failures: int = 0, story: str = "") -> dict[str, Any]:
    """Fails its first `failures` attempts. `asked` are the values of all that were asked of this `story`."""
    await asyncio.sleep(seconds)
    if context.attempt <= failures:
        raise RuntimeError(f"'{value}' can't be done in attempt {context.attempt}")
    asked[story].append(value)
    return {"value": value, "attempt": context.attempt, "asked": asked[story]}


if __name__ == "__main__":
    actor.run()
