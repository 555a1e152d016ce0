"""Asks a person before it does anything."""

from penstock.agents import agent, context

FORM = {"type": "object", "required": ["window"], "properties": {"window": {"type": "string"}}}


@agent
def planner() -> dict[str, str]:
    """Who said when."""
    answer = context.ask("press", "Press it?", details={"tool": "press"}, form=FORM)
    return {"window": answer.fields["window"], "by": answer.by}


if __name__ == "__main__":
    planner.main()
