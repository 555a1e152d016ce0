"""The agent reporter: everything the other agents found, as one HTML page and one JSON file."""

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from guard.handover import Refused, log, whole, write_out, written
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from shown_diff import shown

from penstock.agents import agent

SEVERITIES = ("high", "medium", "low")
KINDS = {
    "secret": "Secrets",
    "code": "Insecure code",
    "header": "Security headers",
    "configuration": "Configuration",
    "vulnerability": "Vulnerable dependencies",
    "license": "Licenses",
}
CHECKS = ("scan", "licenses", "headers", "vulnerabilities")
PARTS = (*CHECKS, "review", "patch")
NAMES_SHOWN_MAX = 10  # what follows a run's end is short, or it does not go along
NO_SNAPSHOT = (
    "Dependencies were not compared with known vulnerabilities: the run had no OSV snapshot (input `osv`)."
)
ROWS_MAX = 1_000  # of one table in the page; the JSON has all

Json = dict[str, Any]


@agent
def report(**request: Any) -> Json:
    parts = {name: whole(request.get(name)) for name in PARTS}
    facts = _facts(request, parts)
    page = _page(facts, patch=_text(parts["patch"].get("patch")))
    log(f"verdict {facts['verdict']}: {facts['counts']}; page of {len(page) // 1024} KiB")
    return {
        "path": write_out("report.html", page),
        "json": write_out("report.json", written(facts)),
        "verdict": facts["verdict"],
        "verdict_after_patch": facts["verdict_after_patch"],
        "counts": facts["counts"],
        "missing": facts["missing"],
        "notes": facts["notes"],
    }


def _facts(request: Json, parts: dict[str, Json]) -> Json:
    """What the page and the JSON say."""
    threshold = request.get("threshold") or "high"
    if threshold not in SEVERITIES:
        raise Refused(f"threshold: expected one of {', '.join(SEVERITIES)}, got '{threshold}'")
    findings = [found for name in CHECKS for found in parts[name].get("findings", [])]
    findings.sort(key=lambda found: (SEVERITIES.index(found["severity"]), found["file"], found["line"]))
    fixes = parts["patch"].get("fixes", [])
    solved = {identity for fix in fixes if fix["proven"] for identity in fix["findings"]}
    states = request.get("states") or {}
    is_asked = parts["vulnerabilities"] or states.get("vulnerabilities") not in (None, "skipped")
    missing = [name for name in PARTS if not parts[name] and (name != "vulnerabilities" or is_asked)]
    open_after = [found for found in findings if found["id"] not in solved]
    return {
        "verdict": _verdict(findings, threshold, missing=missing),
        "verdict_after_patch": _verdict(open_after, threshold, missing=missing),
        "threshold": threshold,
        "counts": _counts(findings),
        "counts_after_patch": _counts(open_after),
        "missing": missing,
        "findings": findings,
        "solved": sorted(solved),
        "comments": parts["review"].get("comments", []),
        "by_file": parts["review"].get("by_file", []),
        "licenses": parts["licenses"].get("items", []),
        "license_verdicts": parts["licenses"].get("verdicts", {}),
        "fixes": fixes,
        "left": parts["patch"].get("left", []),
        "rescan": parts["patch"].get("rescan", {}),
        "run": request.get("run") or {},
        "states": states,
        "unpinned": parts["vulnerabilities"].get("unchecked", []),
        "snapshot": parts["vulnerabilities"].get("snapshot", {}),
        "notes": _notes(parts, is_asked=bool(is_asked)),
        "tools": {tool: number for part in parts.values() for tool, number in part.get("tools", {}).items()},
        "files": parts["scan"].get("files", {}),
        "unparsable": parts["scan"].get("unparsable", []),
        "suppressed": parts["scan"].get("suppressed", 0),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _verdict(findings: list[Json], threshold: str, *, missing: list[str]) -> str:
    """fail: something at or above the threshold. Without all checks that were asked for nobody can say pass."""
    severe = SEVERITIES[: SEVERITIES.index(threshold) + 1]
    if any(found["severity"] in severe for found in findings):
        return "fail"
    return "incomplete" if {*CHECKS} & {*missing} else "pass"


def _notes(parts: dict[str, Json], *, is_asked: bool) -> list[str]:
    """What a reader must know of how complete the checks are."""
    vulnerabilities = parts["vulnerabilities"]
    if not vulnerabilities:
        return [] if is_asked else [NO_SNAPSHOT]
    notes = []
    snapshot, unpinned = vulnerabilities["snapshot"], vulnerabilities["unchecked_total"]
    if snapshot["is_stale"]:
        age = "unknown" if snapshot["age_days"] is None else f"{snapshot['age_days']} days"
        notes.append(f"The OSV snapshot is old (age: {age}): what was found since then is not in it.")
    if unpinned:
        notes.append(f"{unpinned} dependencies could not be compared with known vulnerabilities.")
    if snapshot["unreadable"]:
        notes.append(f"{snapshot['unreadable']} records of the OSV snapshot cannot be read.")
    if names := vulnerabilities["unreadable"]:
        more = f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
        shown = ", ".join(name[-80:] for name in names[:NAMES_SHOWN_MAX])
        notes.append(f"Lock files that cannot be read: {shown}{more}.")
    return notes


def _counts(findings: list[Json]) -> dict[str, int]:
    by_severity = {name: sum(found["severity"] == name for found in findings) for name in SEVERITIES}
    return {"total": len(findings), **by_severity}


def _text(path: Any) -> str:
    return Path(path).read_bytes().decode("utf-8") if isinstance(path, str) and Path(path).is_file() else ""


def _page(facts: Json, *, patch: str) -> str:
    """The page. It shows text from a foreign tree: everything is escaped, and only our own script may run."""
    folder = Path(__file__).parent
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    leaks = (found for found in facts["findings"] if found["kind"] == "secret")
    masked = {(found["file"], found["line"]): found["excerpt"] for found in leaks}
    return _template().render(
        facts,
        kinds=KINDS,
        severities=SEVERITIES,
        rows_max=ROWS_MAX,
        diff=shown(patch, masked=masked),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
    )


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    templates = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    templates.trim_blocks = templates.lstrip_blocks = True
    return templates.get_template("page.html.j2")


def _hash(text: str) -> str:
    """How a content security policy names an inline script or style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_template()  # compiled once in a worker, and no more in its forks

if __name__ == "__main__":
    report.main()
