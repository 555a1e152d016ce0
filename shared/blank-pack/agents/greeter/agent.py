"""Greets somebody."""

from penstock.agents import agent


@agent
def greet(name: str) -> dict[str, str]:
    """One greeting."""
    return {"greeting": f"Hello {name.strip()}"}


if __name__ == "__main__":
    greet.main()
