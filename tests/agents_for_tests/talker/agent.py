"""Asks a model one thing after another."""

from penstock.agents import agent, llm


@agent
def talker(prompts: list[str]) -> list[str]:
    """The answers, in order."""
    return [llm.ask(prompt) for prompt in prompts]


if __name__ == "__main__":
    talker.run()
