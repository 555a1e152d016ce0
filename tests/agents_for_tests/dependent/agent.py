"""Calls something that is down when its input says so."""

from penstock.agents import TryAgain, agent


@agent
async def dependent(down: bool) -> dict[str, bool]:
    if down:
        raise TryAgain("the dependency does not answer")
    return {"called": True}


if __name__ == "__main__":
    dependent.run()
