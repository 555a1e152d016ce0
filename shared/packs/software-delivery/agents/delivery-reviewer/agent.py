"""The reviewer of the team."""

from typing import Any

from delivery import reviewing, worktree

from penstock.agents import Invalid, agent, context


@agent
def review_change(
    bundle: str, round: int, model: str = "default", commit: str | None = None
) -> dict[str, Any]:
    """Comments are a result; a blocking one sends the change back."""
    try:
        tree = worktree.opened(bundle, commit=commit)
    except worktree.GitFailed as error:
        raise Invalid(str(error)) from error
    found = reviewing.look(tree, number=round, model=model)
    context.log(found.summary)
    return {
        "bundle": tree.bundle(context.out_folder / "reviewed.bundle"),
        "summary": found.summary,
        "comments": found.comments,
        "blocking": found.blocking,
    }
