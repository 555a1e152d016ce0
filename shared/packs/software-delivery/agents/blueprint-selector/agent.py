"""The choice of a blueprint. It may fail: then the workflow takes the fallback."""

from delivery.analysis import Analysis
from delivery.blueprints import Choice
from delivery.selection import select

from penstock.agents import agent


@agent
def select_blueprint(analysis: Analysis, language: str = "python", model: str = "default") -> Choice:
    """Fails as `Invalid` when no blueprint fits, and as the model's call does when that fails."""
    return select(analysis, language=language, model=model)
