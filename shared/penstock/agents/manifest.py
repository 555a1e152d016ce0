"""The parts of agent.yaml that a function's types and docstring already say."""

import io
from typing import Any

from ruamel.yaml import YAML

from penstock.agents.function import Agent


def parts(agent: Agent[..., Any], *, command: list[str]) -> dict[str, object]:
    """name, description, command, input and output, in the order of a manifest."""
    said = {
        "name": agent.__name__.replace("_", "-").strip("-"),
        "description": (agent.__doc__ or "").strip().partition("\n")[0],
        "command": command,
        "input": agent.arguments.input_schema(),
        "output": agent.arguments.output_schema(),
    }
    return {name: value for name, value in said.items() if value not in ("", {})}


def as_yaml(document: dict[str, object]) -> str:
    writer = YAML()
    writer.width = 110
    writer.representer.ignore_aliases = lambda *_: True  # a schema that is used twice is written twice
    writer.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    writer.dump(document, text)
    return text.getvalue()
