"""The comments in the forms that GitHub and GitLab take over their APIs. Nothing is sent from here.

GitHub: the body of POST /repos/{owner}/{repo}/pulls/{number}/reviews.
GitLab: a list, each the body of POST /projects/{id}/merge_requests/{iid}/discussions; where no commits are known
fill base_sha, start_sha and head_sha from the merge request's `diff_refs`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from guard.finding import SEVERITIES
from remark import Remark

COMMENTS_MAX = 100  # of one review; whoever gets more reads none

_EVENTS = {"fail": "REQUEST_CHANGES"}

Json = dict[str, Any]


def summary(remarks: Sequence[Remark], *, old: int, verdict: str, notes: Sequence[str]) -> str:
    found = [
        f"{number} {name}"
        for name in SEVERITIES
        if (number := sum(one.severity == name for one in remarks if one.source == "tools"))
    ]
    by_model = sum(one.source == "model" for one in remarks)
    lines = [f"**{verdict}**: in changed lines {', '.join(found) or 'nothing'} found"]
    lines[0] += f", and {by_model} remarks of a model." if by_model else "."
    if old:
        lines.append(f"{old} more are in lines that the change leaves as they were.")
    if len(remarks) > COMMENTS_MAX:
        lines.append(f"The first {COMMENTS_MAX} of {len(remarks)} comments are below.")
    return "\n\n".join([*lines, *notes])


def body(remark: Remark) -> str:
    """Markdown. What a model wrote says so."""
    said_by = (
        ", ".join(f"`{rule}`" for rule in remark.rules) if remark.rules else "a language model; check it"
    )
    return "\n\n".join(
        part for part in (f"**{remark.title}** ({remark.severity})", remark.text, said_by) if part
    )


def github(remarks: Sequence[Remark], change: Json, text: str, verdict: str) -> Json:
    commit = {"commit_id": change["head"]} if change.get("head") else {}
    comments = [
        {"path": one.file, "line": one.line, "side": "RIGHT", "body": body(one)}
        for one in remarks[:COMMENTS_MAX]
    ]
    return {**commit, "event": _EVENTS.get(verdict, "COMMENT"), "body": text, "comments": comments}


def gitlab(remarks: Sequence[Remark], change: Json, old_names: Mapping[str, str]) -> list[Json]:
    commits = {
        "base_sha": change.get("base"),
        "start_sha": change.get("base"),
        "head_sha": change.get("head"),
    }
    return [
        {
            "body": body(one),
            "position": {
                "position_type": "text",
                **commits,
                "old_path": old_names.get(one.file, one.file),
                "new_path": one.file,
                "new_line": one.line,
            },
        }
        for one in remarks[:COMMENTS_MAX]
    ]
