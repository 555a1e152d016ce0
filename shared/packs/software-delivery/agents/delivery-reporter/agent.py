"""What a person needs to decide about a release."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypedDict

from delivery import plan, report, worktree
from delivery.implementing import Feedback, told
from delivery.review import Comment
from delivery.verdict import Verdict, verdicts

from penstock.agents import Invalid, agent, context


class Tests(TypedDict):
    """Of the last round. `covered`: what tests cover → passed or failed."""

    counts: dict[str, int]
    covered: dict[str, str]


@agent
def report_delivery(
    bundle: str,
    tests: Tests,
    comments: list[Comment],
    rounds: int,
    done: bool = True,
    feedback: Feedback | None = None,
) -> dict[str, Any]:
    """Fails with what the last round has found when it was not a good one: then nobody is asked for a release."""
    if not done:
        raise Invalid(f"nothing to release after {rounds} rounds: {told(feedback or Feedback())}")
    tree = worktree.opened(bundle)
    planned = plan.read(tree)
    found = verdicts(planned.analysis, tests["covered"])
    page = context.out_folder / "report.html"
    content = report.page(tree, found, counts=tests["counts"], comments=comments, rounds=rounds)
    page.write_text(content, encoding="utf-8")
    patch = tree.patch(context.out_folder / "delivery.patch")
    states = Counter(each.state for each in found)
    return {
        "title": planned.analysis.title,
        "blueprint": planned.choice.name,
        "report": page,
        "patch": patch,
        "requirements": found,
        "states": {name: states[name] for name in ("met", "partly", "open")},
        "sentence": _sentence(found, tests["counts"], comments),
    }


def _sentence(found: Sequence[Verdict], counts: dict[str, int], comments: Sequence[Comment]) -> str:
    met = sum(each.state == "met" for each in found)
    rest = ", ".join(f"{each.id} ({each.state})" for each in found if each.state != "met")
    said = f"{met} of {len(found)} requirements met" + (f"; not or not wholly: {rest}" if rest else "")
    return f"{said}; {counts.get('passed', 0)} tests passed; {len(comments)} review comments, none blocking"
