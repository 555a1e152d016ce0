"""The contracts, and the working tree with its first commit of the team."""

import json
from dataclasses import asdict
from typing import Any

from delivery import designing, document, plan, worktree
from delivery.analysis import Analysis
from delivery.blueprints import Choice
from delivery.contracts import operations_of

from penstock.agents import Invalid, agent, context


@agent
def design_contracts(
    requirements: str,
    analysis: Analysis,
    choice: Choice,
    repository: str | None = None,
    model: str = "default",
) -> dict[str, Any]:
    """Fails when a model's contracts are still invalid after some rounds, with what the validator says."""
    contracts = designing.design(analysis, model=model)
    try:
        tree = worktree.begin(repository)
    except worktree.GitFailed as error:
        raise Invalid(str(error)) from error
    if taken := plan.taken(tree):
        raise Invalid(f"repository: {', '.join(taken[:10])} exists, where the team writes its own; move it")
    text = document.read(requirements).text
    plan.write(tree, plan.Plan(analysis, choice), contracts, requirements=text)
    tree.commit(
        "designer", f"Design the contracts of {analysis.title}\n\nBlueprint: {asdict(choice)['reason']}"
    )
    files = {name: context.out_folder / f"{name}.openapi.json" for name in contracts}
    for name, file in files.items():
        file.write_text(json.dumps(contracts[name], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return {
        "bundle": tree.bundle(context.out_folder / "designed.bundle"),
        "contracts": files,
        "operations": [
            each["operationId"] for part in contracts.values() for _, _, each in operations_of(part)
        ],
    }
