"""The agent of the benchmarks: no work at all, so that what is measured is Penstock."""

from typing import Any

from penstock.agents import agent


@agent
async def echo(**given: Any) -> dict[str, Any]:
    return given


if __name__ == "__main__":
    echo.run()
