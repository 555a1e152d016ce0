"""The agent patcher: automated fixes for review comments, as one diff, proven by scanning again."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import diff
import lint_fixes
import nginx_fixes
import proof
import python_fixes
import upgrades
from guard import requirements
from guard.handover import log, source_folder, whole, write_out, written
from outcome import Fixed, Left, Wanted, wanted_of
from upgrades import Known

from penstock.agents import agent

SHOWN_MAX = 150  # fixes and left ones in the answer; the file `details` has all

Comments = dict[str, list[dict[str, Any]]]  # by file


@agent
def patch(
    source: str,
    review: dict[str, Any] | None = None,
    vulnerabilities: dict[str, Any] | None = None,
) -> dict[str, Any]:
    root = source_folder(source)
    comments: Comments = defaultdict(list)
    for comment in whole(review).get("comments", []):
        if comment["fix"] == "automatic":
            comments[comment["file"]].append(comment)
    known = upgrades.known_of(whole(vulnerabilities).get("advisories", []))
    with tempfile.TemporaryDirectory() as folder:
        work = _Work(source=root, before=Path(folder, "before"), after=Path(folder, "after"), known=known)
        for name, asked in sorted(comments.items()):
            work.fix(name, asked)
        work.fix_by_ruff(comments)
        return _answer(work)


class _Work:
    """The changes so far: the files as they were below `before`, as they become below `after`."""

    def __init__(self, *, source: Path, before: Path, after: Path, known: Known) -> None:
        self.source, self.before, self.after = source, before, after
        self.known = known
        self.names: list[str] = []
        self.fixed: list[Fixed] = []
        self.left: list[Left] = []

    def fix(self, name: str, comments: Sequence[dict[str, Any]]) -> None:
        wanted = [item for comment in comments for item in wanted_of(comment)]
        text = self._text(name)
        if text is None:
            self.left += [Left(item, "the file is not UTF-8 text, or its name is unusual") for item in wanted]
            return
        self.names.append(name)
        _write(self.before / name, text)
        changed, fixed, left = self._changed(name, text, comments)
        _write(self.after / name, changed)
        self.fixed += fixed
        self.left += left

    def _text(self, name: str) -> str | None:
        path = self.source / name
        if not diff.can_name(name) or not path.resolve().is_relative_to(self.source):
            return None
        try:
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _changed(
        self, name: str, text: str, comments: Sequence[dict[str, Any]]
    ) -> tuple[str, list[Fixed], list[Left]]:
        pairs = [(item, _data(comment, item)) for comment in comments for item in wanted_of(comment)]
        if name.endswith((".py", ".pyi")):
            return python_fixes.fix(text, [item for item, _ in pairs if item.rule in python_fixes.FIXES])
        if requirements.is_mine(name):
            return upgrades.fix(text, [(item, data) for item, data in pairs if "upgrade" in data])
        headers = [(item, data) for item, data in pairs if item.rule in nginx_fixes.RULES or "set" in data]
        return nginx_fixes.fix(text, headers, path=self.before / name)

    def fix_by_ruff(self, comments: Comments) -> None:
        """Ruff's safe fixes, on top of ours."""
        asked = [
            item
            for name in self.names
            for comment in comments[name]
            for item in wanted_of(comment)
            if _data(comment, item).get("fix") == "safe"
        ]
        rules = {item.rule.removeprefix("ruff/") for item in asked}
        if rules:
            lint_fixes.fix([self.after / item.file for item in asked], rules=rules)
            self.fixed += [Fixed(item, "ruff's safe fix") for item in asked]

    def undo(self, name: str, reason: str) -> None:
        _write(self.after / name, (self.before / name).read_bytes().decode("utf-8"))
        self.left += [Left(fix.wanted, reason) for fix in self.fixed if fix.wanted.file == name]
        self.fixed = [fix for fix in self.fixed if fix.wanted.file != name]

    def changes(self) -> dict[str, diff.Change]:
        both = {name: (_read(self.before / name), _read(self.after / name)) for name in self.names}
        return {name: change for name, change in both.items() if change[0] != change[1]}


def _answer(work: _Work) -> dict[str, Any]:
    before = proof.measure(work.before, work.names, known=work.known)
    after = _measured_again(work, before)
    fixed = proof.proven(work.fixed, before=before, after=after)
    changes = work.changes()
    log(f"{len(fixed)} fixes in {len(changes)} files, {sum(fix.is_proven for fix in fixed)} proven")
    fixes, left = [fix.document() for fix in fixed], [item.document() for item in work.left]
    return {
        "patch": write_out("fixes.patch", diff.unified(changes)) if changes else None,
        "fixes": fixes[:SHOWN_MAX],
        "left": left[:SHOWN_MAX],
        "details": write_out("patch.json", written({"fixes": fixes, "left": left})),
        "counts": {
            "files": len(changes),
            "fixes": len(fixes),
            "proven": sum(fix.is_proven for fix in fixed),
            "left": len(left),
        },
        "rescan": {"before": _by_tool(before), "after": _by_tool(after)},
        "tools": {"libcst": version("libcst"), "ruff": version("ruff"), "bandit": version("bandit")},
    }


def _measured_again(work: _Work, before: proof.Counts) -> proof.Counts:
    """The count after the changes; files that got worse or whose diff is not faithful are as they were."""
    after = _after(work, before)
    undone = {
        name: f"it would bring {', '.join(sorted(rules))}"
        for name, rules in proof.worsened(before, after).items()
    }
    undone |= {
        name: "its diff could not be verified"
        for name, change in work.changes().items()
        if not diff.is_faithful(name, change)
    }
    for name, reason in undone.items():
        log(f"{name}: taken back: {reason}")
        work.undo(name, reason)
    if not undone:
        return after
    return Counter({key: n for key, n in after.items() if key[1] not in undone}) + Counter(
        {key: n for key, n in before.items() if key[1] in undone}
    )


def _after(work: _Work, before: proof.Counts) -> proof.Counts:
    """Only changed files are measured again."""
    changed = work.changes()
    same = Counter({key: number for key, number in before.items() if key[1] not in changed})
    return same + proof.measure(work.after, sorted(changed), known=work.known)


def _data(comment: dict[str, Any], item: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = next(
        source["data"] for source in comment["sources"] if source["rule"] == item.rule
    )
    return found


def _by_tool(counts: proof.Counts) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for (rule, _), number in counts.items():
        totals[rule.partition("/")[0]] += number
    return dict(sorted(totals.items()))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


if __name__ == "__main__":
    patch.main()
