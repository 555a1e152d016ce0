"""Asking a model, where one may be asked: its answers are checked, and wrong ones go back to it with the reasons."""

import json
from collections.abc import Callable
from typing import Any

from penstock.agents import Invalid

NO_MODEL = "none"
ROUNDS_MAX = 3
WHAT_TO_CONFIGURE = (
    "give the runner a model 'default' (docs/guides/models.md) and leave the input `model` at 'default'"
)


def has_model(wanted: str) -> bool:
    """Whether a model is to be asked: the run wants one, and the operator has configured one for this agent."""
    if wanted == NO_MODEL:
        return False
    from penstock.agents import llm

    return bool(llm.models())


def settled(
    prompt: str, *, system: str, schema: dict[str, Any], problems: Callable[[Any], list[str]], what: str
) -> Any:
    """An answer without problems, in at most ROUNDS_MAX rounds; then Invalid says what was still wrong."""
    from penstock.agents import llm

    asked, found = prompt, [""]
    for _ in range(ROUNDS_MAX):
        answer = llm.ask(asked, system=system, schema=schema)
        found = problems(answer)
        if not found:
            return answer
        asked = f"{prompt}\n\nYou answered:\n{json.dumps(answer)}\n\nThis is wrong with it:\n" + "\n".join(
            f"- {problem}" for problem in found
        )
    raise Invalid(f"{what}: still wrong after {ROUNDS_MAX} rounds with the model: {'; '.join(found[:10])}")
