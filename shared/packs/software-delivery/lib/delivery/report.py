"""The page that a person decides by: requirements with their tests, contracts, commits, the review."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from delivery import plan
from delivery.blueprints import FOLDER
from delivery.contracts import operations_of
from delivery.review import Comment
from delivery.verdict import Verdict
from delivery.worktree import Tree


def page(
    tree: Tree,
    verdicts: Sequence[Verdict],
    *,
    counts: dict[str, int],
    comments: Sequence[Comment],
    rounds: int,
    approval: dict[str, Any] | None = None,
) -> str:
    """One HTML page that loads nothing; everything in it is escaped."""
    planned = plan.read(tree)
    environment = Environment(
        loader=FileSystemLoader(FOLDER.parent / "pages"), undefined=StrictUndefined, autoescape=True
    )
    return environment.get_template("report.html.j2").render(
        analysis=planned.analysis,
        choice=planned.choice,
        verdicts=verdicts,
        counts=counts,
        comments=comments,
        rounds=rounds,
        commits=tree.log(),
        stat=tree.diff("--stat"),
        contracts=_contracts(tree),
        states=Counter(each.state for each in verdicts),
        approval=approval,
    )


def _contracts(tree: Tree) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": document["info"]["title"],
            "operations": [
                f"{verb.upper()} {path}: {each['operationId']}"
                for path, verb, each in operations_of(document)
            ],
            "schemas": sorted(document.get("components", {}).get("schemas", {})),
        }
        for name, document in plan.contracts(tree).items()
    ]
