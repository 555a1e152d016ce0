"""The agent of W7: it always fails, at once."""

from typing import Any

from penstock.agents import agent


@agent
async def broken(**given: Any) -> dict[str, Any]:
    raise ValueError(f"never works, not even for {given}")


if __name__ == "__main__":
    broken.run()
