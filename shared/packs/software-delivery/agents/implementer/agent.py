"""The implementer of the team."""

from typing import Any

from delivery import implementing, worktree
from delivery.implementing import Feedback

from penstock.agents import agent, context


@agent
def implement_contracts(
    bundle: str, round: int, feedback: Feedback | None = None, model: str = "default"
) -> dict[str, Any]:
    """Fails when tests fail and there is no model that could mend it."""
    tree = worktree.opened(bundle)
    notes = implementing.implement(tree, number=round, feedback=feedback or Feedback(), model=model)
    return {
        "bundle": tree.bundle(context.out_folder / "implemented.bundle"),
        "notes": notes,
        "commits": tree.log(),
    }
