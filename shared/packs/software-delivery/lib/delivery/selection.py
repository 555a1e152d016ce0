"""The choice of a blueprint: a model's where there is one, else by the words of the requirements."""

import json

from delivery import blueprints
from delivery.analysis import Analysis
from delivery.asking import has_model
from delivery.blueprints import Choice, NoBlueprint
from penstock.agents import Invalid

_SYSTEM = """You choose the blueprint that software is built from. Take the one whose door (HTTP, commands,
Python) the requirements ask for. If none of them fits, answer with the name "none"."""


def select(analysis: Analysis, *, language: str, model: str) -> Choice:
    """Raises Invalid when none fits: the workflow then takes its fallback."""
    try:
        return _by_model(analysis, language) if has_model(model) else blueprints.choose(analysis, language)
    except NoBlueprint as error:
        raise Invalid(str(error)) from error


def _by_model(analysis: Analysis, language: str) -> Choice:
    from penstock.agents import llm

    known = {name: each for name, each in blueprints.known().items() if each.language == language}
    schema = {
        "type": "object",
        "required": ["name", "reason"],
        "properties": {"name": {"enum": [*known, "none"]}, "reason": {"type": "string", "maxLength": 500}},
    }
    offered = "\n".join(f"- {each.name}: {each.description}" for each in known.values())
    asked = [each.text for each in analysis.requirements]
    prompt = (
        f"Blueprints:\n{offered}\n\n{analysis.title}: {analysis.summary}\nRequirements:\n{json.dumps(asked)}"
    )
    answer = llm.ask(prompt, system=_SYSTEM, schema=schema)
    if answer["name"] == "none":
        raise NoBlueprint(f"the model finds no blueprint that fits: {answer['reason']}")
    return Choice(answer["name"], answer["reason"], "model", blueprints.scores(analysis, language))
