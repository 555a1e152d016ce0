"""The release: nothing is changed any more, what was approved gets a tag."""

from typing import Any

from delivery import worktree
from delivery.contracts import VERSION

from penstock.agents import agent, context


@agent
def release_delivery(bundle: str, approval: dict[str, Any]) -> dict[str, Any]:
    tree = worktree.opened(bundle)
    tag = f"delivery-{VERSION}-{context.run[:13]}"
    by = approval.get("by") or "a person without a name"
    message = f"Approved by {by}\n\n{approval.get('comment') or ''}\nRun {context.run}"
    tree.git("tag", "--force", "--annotate", "--message", message, tag, role="releaser")
    patch = tree.patch(context.out_folder / "delivery.patch")
    return {
        "bundle": tree.bundle(context.out_folder / "delivery.bundle", f"refs/tags/{tag}"),
        "patch": patch,
        "tag": tag,
        "commit": tree.head(),
        "commits": tree.log(),
    }
