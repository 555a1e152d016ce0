"""The first node: what a requirements document asks for."""

from typing import Any

from delivery.analyst import analyse

from penstock.agents import agent, context


@agent
def analyse_requirements(requirements: str, model: str = "default") -> dict[str, Any]:
    """Fails with a clear sentence when there is nothing to build in the document."""
    analysis = analyse(requirements, model=model)
    for each in analysis.gaps:
        context.log(f"{each.id} (line {each.line}) is not covered: {each.text}", why=each.gap)
    return {"analysis": analysis, "open": [f"{each.id}: {each.text} ({each.gap})" for each in analysis.gaps]}
