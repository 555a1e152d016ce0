"""What is built from when the selection gave nothing. Asks nobody, so it cannot fail for want of a model."""

from delivery.analysis import Analysis
from delivery.blueprints import Choice, fallback

from penstock.agents import agent


@agent
def fall_back(analysis: Analysis) -> Choice:
    return fallback(analysis)
