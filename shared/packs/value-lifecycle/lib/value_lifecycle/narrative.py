"""The words of a report: by a model if the operator has configured one, else by a template.

A model may only retell: a text with a number that is not among the facts is asked for once more, and then not used.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.agents import AgentError

MODEL = "default"
TEMPLATE = "template"
NUMBER = re.compile(r"\d[\d,.]*\d|\d")
TRIES = 2
SYSTEM = """You write the summary of a report on the value that a programme delivers, for executives: two short
paragraphs of plain text, sober, no headings, no lists. Use only the facts of the JSON that you are given, and write
every number exactly as it stands there. Say first whether the programme is on its way, then what needs a decision."""

Ask = Callable[[str], str]


@dataclass(frozen=True)
class Narrative:
    """`by` is the name of the model, or `template`; `note` says why a model's text was not used."""

    text: str
    by: str
    note: str = ""


def narrative(facts: Mapping[str, Any], template: str, *, ask: Ask | None, must: bool = False) -> Narrative:
    """`facts` hold numbers as they are to be shown; `template` is the text that says the same without a model.

    A model that does not answer is no reason to have no report, unless it `must`.
    """
    if ask is None:
        return Narrative(template, TEMPLATE)
    try:
        return _told(facts, template, ask)
    except AgentError as error:
        if must:
            raise
        return Narrative(template, TEMPLATE, note=f"the model gave no answer: {error}")


def _told(facts: Mapping[str, Any], template: str, ask: Ask) -> Narrative:
    given = json.dumps(facts, ensure_ascii=False, indent=1)
    prompt, strange = given, ""
    for _ in range(TRIES):
        text = ask(prompt).strip()
        strange = ", ".join(sorted(numbers(text) - numbers(given)))
        if text and not strange:
            return Narrative(text, MODEL)
        prompt = f"{given}\n\nYour former text had numbers that are not among the facts: {strange}. Write it again."
    return Narrative(
        template, TEMPLATE, note=f"the model's text had numbers that are not among the facts: {strange}"
    )


def asking(mode: str) -> Ask | None:
    """How to ask a model: None with mode `template`, or where none is configured and the mode is `auto`."""
    if mode == TEMPLATE:
        return None
    from penstock.agents import llm  # only here: without a model nothing of it is loaded

    if mode == "auto" and MODEL not in llm.models():
        return None
    return lambda prompt: str(llm.ask(prompt, system=SYSTEM, model=MODEL))


def numbers(text: str) -> set[str]:
    """As they are written, but without separators of thousands and trailing dots."""
    return {found.replace(",", "").rstrip(".") for found in NUMBER.findall(text)}
