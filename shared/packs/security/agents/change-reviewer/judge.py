"""The agent change-reviewer: what is new in a change, as a verdict and as comments that code hosts take."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import model_review
import posts
from guard.change import FileChange, parse
from guard.finding import SEVERITIES, shown_inline
from guard.handover import Refused, log, whole, write_out
from remark import Remark

from penstock.agents import agent

NAMES_SHOWN_MAX = 10
CHECKS = ("scan", "licenses", "headers", "review")  # without one of them nobody can say "pass"

Json = dict[str, Any]


@agent
def judge(
    change: dict[str, Any],
    review: dict[str, Any] | None = None,
    threshold: str | None = None,
    states: dict[str, Any] | None = None,
    model: bool = True,
) -> dict[str, Any]:
    if (threshold or "high") not in SEVERITIES:
        raise Refused(f"threshold: expected one of {', '.join(SEVERITIES)}, got '{threshold}'")
    diff = Path(change["diff"]).read_bytes()
    changes = parse(diff.decode("utf-8", errors="replace"))
    comments = whole(review).get("comments", [])
    new, old = _divided(comments, added={one.name: one.added for one in changes})
    asked = model_review.ask(changes, hidden=_hidden(comments), known=new, is_wanted=model)
    missing = _missing(states or {})
    broken = _broken_lines(diff)
    verdict = _verdict(new, threshold=threshold or "high", is_whole=not missing and not broken)
    log(f"verdict {verdict}: {len(new)} new, {len(old)} old, {len(asked.remarks)} of the model")
    remarks = [*new, *asked.remarks]
    notes = [asked.sentence, *(f"Not checked, {name} has no result." for name in missing)]
    notes += [*broken, *_unseen(change.get("left_out") or [])]
    return _answer(change, changes, remarks, old=old, verdict=verdict, notes=notes) | {"model": asked.facts()}


def _divided(
    comments: Sequence[Json], *, added: Mapping[str, frozenset[int]]
) -> tuple[list[Remark], list[Remark]]:
    """Those in changed lines, and those that were there before."""
    new: list[Remark] = []
    old: list[Remark] = []
    for comment in comments:
        is_new = comment["line"] in added.get(comment["file"], frozenset())
        (new if is_new else old).append(Remark.of_comment(comment))
    return new, old


def _hidden(comments: Sequence[Json]) -> dict[tuple[str, int], str]:
    """What a line with a secret may be shown as, outside this sandbox."""
    return {(one["file"], one["line"]): one["excerpt"] for one in comments if one["kind"] == "secret"}


def _missing(states: Mapping[str, Any]) -> list[str]:
    """Checks that were asked for and have no result; a skipped comparison with OSV was not asked for."""
    required = [name for name in CHECKS if states.get(name, "succeeded") != "succeeded"]
    asked = states.get("vulnerabilities", "skipped") not in ("succeeded", "skipped")
    return required + (["vulnerabilities"] if asked else [])


def _broken_lines(diff: bytes) -> list[str]:
    """A carriage return inside a line ends it for the tools and not for the diff: what they find cannot be placed."""
    odd = sum(line.startswith(b"+") and b"\r" in line.removesuffix(b"\r") for line in diff.split(b"\n"))
    return (
        [f"{odd} new lines have carriage returns inside: findings in them may count as old."] if odd else []
    )


def _unseen(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(f"`{name[:80]}`" for name in names[:NAMES_SHOWN_MAX])
    more = f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
    return [f"Changed, and looked at by nobody, for they are binary, too large or no file: {shown}{more}."]


def _verdict(new: Sequence[Remark], *, threshold: str, is_whole: bool) -> str:
    """fail: a tool found something at or above the threshold in a changed line. A model's word is never enough."""
    severe = SEVERITIES[: SEVERITIES.index(threshold) + 1]
    if any(remark.severity in severe for remark in new):
        return "fail"
    return "pass" if is_whole else "incomplete"


def _answer(
    change: Json,
    changes: Sequence[FileChange],
    remarks: Sequence[Remark],
    *,
    old: Sequence[Remark],
    verdict: str,
    notes: Sequence[str],
) -> Json:
    ranked = sorted(remarks, key=lambda one: (SEVERITIES.index(one.severity), one.file, one.line, one.title))
    summary = posts.summary(ranked, old=len(old), verdict=verdict, notes=notes)
    rows = [remark.document() for remark in ranked]
    shown, truncated = shown_inline(rows)
    details = {"comments": rows, "old": [remark.document() for remark in old]}
    renamed = {one.name: one.old_name or one.name for one in changes}
    return {
        "verdict": verdict,
        "summary": summary,
        "comments": shown,
        "truncated": truncated,
        "details": write_out("comments.json", json.dumps(details, indent=1)),
        "github": write_out("github.json", _pretty(posts.github(ranked, change, summary, verdict))),
        "gitlab": write_out("gitlab.json", _pretty(posts.gitlab(ranked, change, renamed))),
        "counts": _counts(ranked),
        "old": len(old),
        "by_file": _by_file(ranked),
        "notes": list(notes),
    }


def _counts(remarks: Sequence[Remark]) -> dict[str, int]:
    severities = Counter(remark.severity for remark in remarks if remark.source == "tools")
    return {"total": severities.total(), **{name: severities[name] for name in SEVERITIES}}


def _by_file(remarks: Sequence[Remark]) -> list[Json]:
    groups: dict[str, int] = defaultdict(int)
    for remark in remarks:
        groups[remark.file] += 1
    return [{"file": file, "comments": number} for file, number in sorted(groups.items())][:50]


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    judge.main()
