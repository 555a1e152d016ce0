"""Notebooks: whether their cells were run from top to bottom, so that another person sees the same."""

import json

from paper.finding import Evidence, Finding, Outcome
from paper.repository_tree import RepositoryTree


def notebook_finding(tree: RepositoryTree) -> Finding:
    title = "Notebooks were run from top to bottom"
    found = tree.with_suffix(".ipynb")
    if not found:
        return Finding("repository", "notebooks", title, "unknown", "there are no notebooks", 1)
    wrong = [(path, reason) for path in found if (reason := what_is_wrong(tree.text(path)))]
    outcome: Outcome = "passed" if not wrong else "partly" if len(wrong) < len(found) else "failed"
    said = f"{len(found) - len(wrong)} of {len(found)} notebooks"
    evidence = tuple(Evidence(reason, file=path, line=1) for path, reason in wrong[:6])
    return Finding("repository", "notebooks", title, outcome, said, 1, evidence=evidence)


def what_is_wrong(text: str) -> str:
    """ "" if every code cell was run once, in the order of the cells."""
    try:
        cells = json.loads(text)["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
        counts = [cell.get("execution_count") for cell in code]
    except (ValueError, KeyError, TypeError):
        return "it cannot be read as a notebook"
    if not counts:
        return ""
    if any(count is None for count in counts):
        return f"{sum(count is None for count in counts)} of {len(counts)} cells were not run"
    if counts != sorted(counts):
        return f"cells were run in the order {', '.join(map(str, counts[:12]))}"
    return (
        ""
        if counts[-1] - counts[0] == len(counts) - 1
        else "some cells were run again, or deleted, meanwhile"
    )
