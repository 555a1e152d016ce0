"""The design of the four contracts: from the analysis, completed by a model where requirements are left over."""

import json
from typing import Any

from delivery import contracts
from delivery.analysis import Analysis
from delivery.asking import has_model, settled
from delivery.contract_checks import problems_of
from delivery.contracts import CONTRACTS, Document
from penstock.agents import Invalid

_SYSTEM = """You design the contracts of a piece of software: OpenAPI 3.1 documents named api (operations on
resources), data (schemas only), events (a feed of what happened), operations (health and version). You get them
as they follow from the resources, and requirements that they do not cover yet. Add what these need: operations
(each with operationId, summary, x-requirements with the ids, and the shape of its answers), fields, schemas.
Keep what is there. A schema that api and data both have must be equal in both. Every $ref points into its own
document. Answer with the whole documents that you changed, and leave out those that stay. If nothing has to
change, answer {}."""


def design(analysis: Analysis, *, model: str) -> dict[str, Document]:
    """Four valid contracts; raises Invalid with what is wrong when a model could not be brought to it."""
    drafted = contracts.design(analysis)
    problems = problems_of(drafted, analysis)
    if problems:
        raise Invalid(f"the contracts that follow from the analysis are wrong: {'; '.join(problems)}")
    return _completed(drafted, analysis) if analysis.gaps and has_model(model) else drafted


def _completed(drafted: dict[str, Document], analysis: Analysis) -> dict[str, Document]:
    schema = {
        "type": "object",
        "properties": {name: {"type": "object"} for name in CONTRACTS},
        "additionalProperties": False,
    }
    left = [{"id": each.id, "text": each.text, "gap": each.gap} for each in analysis.gaps]
    prompt = f"Contracts:\n{json.dumps(drafted)}\n\nNot covered yet:\n{json.dumps(left)}"

    def problems(answer: Any) -> list[str]:
        return problems_of({**drafted, **answer}, analysis)

    answer = settled(prompt, system=_SYSTEM, schema=schema, problems=problems, what="the contracts")
    return {**drafted, **answer}
