"""What a person needs to decide about a release."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypedDict

from delivery import plan, report, worktree
from delivery.review import Comment
from delivery.verdict import Verdict, verdicts

from penstock.agents import agent, context


class Tests(TypedDict):
    """Of the last round. `covered`: what tests cover → passed or failed."""

    counts: dict[str, int]
    covered: dict[str, str]


@agent
def report_delivery(bundle: str, tests: Tests, comments: list[Comment], rounds: int) -> dict[str, Any]:
    tree = worktree.opened(bundle)
    planned = plan.read(tree)
    found = verdicts(planned.analysis, tests["covered"])
    page = context.out_folder / "report.html"
    content = report.page(tree, found, counts=tests["counts"], comments=comments, rounds=rounds)
    page.write_text(content, encoding="utf-8")
    patch = context.out_folder / "delivery.patch"
    patch.write_text(tree.diff("--binary"), encoding="utf-8")
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
