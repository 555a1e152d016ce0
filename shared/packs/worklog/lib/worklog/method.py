"""Whether a model or rules look into entries."""

from typing import Literal

from penstock.agents import NoModel, llm

Method = Literal["auto", "rules", "model"]
MODEL = "default"


def uses_model(method: Method) -> bool:
    """`auto`: if the operator has configured one. Raises NoModel when one is asked for and there is none."""
    if method == "rules":
        return False
    has_model = MODEL in llm.models()
    if method == "model" and not has_model:
        raise NoModel(
            f"method is 'model', and no model named '{MODEL}' is configured for this agent: set"
            " PENSTOCK_RUNNER_MODELS_FILE, or ask for method 'rules'"
        )
    return has_model
