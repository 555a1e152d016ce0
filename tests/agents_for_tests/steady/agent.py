"""Answers with what it was given."""

from typing import Any

from penstock.agents import agent


@agent
async def steady(**given: Any) -> dict[str, Any]:
    return given


if __name__ == "__main__":
    steady.run()
