"""Says "try again later" on its first attempt, then succeeds."""

from penstock.agents import TryAgain, agent, context


@agent
def flaky(value: int) -> dict[str, int]:
    if context.attempt == 1:
        raise TryAgain("not at the first attempt")
    return {"value": value, "attempt": context.attempt}


if __name__ == "__main__":
    flaky.run()
