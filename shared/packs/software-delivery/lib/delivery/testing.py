"""Tests that really run: pytest on a copy of the tree, in a process that knows nothing of the attempt."""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from delivery.worktree import Tree

TESTS_SECONDS_MAX = 240
MESSAGE_CHARS_MAX = 2_000  # of one failure: what a person or a model reads of it
FAILURES_SHOWN = 20
OUTPUT_CHARS_MAX = 200_000
_NO_TESTS = 5  # pytest's exit code when it has collected none

Outcome = Literal["passed", "failed", "error", "skipped"]


@dataclass(frozen=True)
class Case:
    """One test. `covers` names what of the contracts it covers, if it says so."""

    name: str
    outcome: Outcome
    message: str = ""
    covers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TestRun:
    """What pytest said. `output` is what it printed; `junit` its report, empty if it wrote none."""

    is_green: bool
    counts: dict[str, int]
    cases: list[Case]
    output: str
    junit: str

    __test__ = False  # pytest must not take it for a test

    @property
    def failures(self) -> list[Case]:
        return [each for each in self.cases if each.outcome in ("failed", "error")]

    def covered(self) -> dict[str, Outcome]:
        """What is covered → "passed" if all tests that cover it did."""
        found: dict[str, Outcome] = {}
        for case in self.cases:
            for name in case.covers if case.outcome != "skipped" else ():
                is_good = case.outcome == "passed" and found.get(name, "passed") == "passed"
                found[name] = "passed" if is_good else "failed"
        return found


def run_tests(tree: Tree, *paths: str) -> TestRun:
    """All tests of the tree, or those below `paths`. Green: some ran, and none failed."""
    with tempfile.TemporaryDirectory(prefix="delivery-tests-") as name:
        folder = tree.export(Path(name) / "tree")
        junit = Path(name) / "junit.xml"
        code, output = _pytest(folder, junit, paths)
        report = junit.read_text(encoding="utf-8", errors="replace") if junit.is_file() else ""
        # Equal results must be equal texts, without this run's folder: a retried attempt asks a model the same.
        output, report = (text.replace(f"{folder}/", "") for text in (output, report))
    cases = list(_cases(report))
    counts = Counter(case.outcome for case in cases)
    if not cases or (code and not counts["failed"] + counts["error"]):
        cases.append(Case("pytest", "error", message=_why(code, output)))
        counts["error"] += 1
    is_green = code == 0 and not counts["failed"] + counts["error"] and counts["passed"] > 0
    return TestRun(is_green, dict(counts), cases, output[-OUTPUT_CHARS_MAX:], report)


def _why(code: int, output: str) -> str:
    said = {_NO_TESTS: "there is no test", -1: f"the tests took more than {TESTS_SECONDS_MAX} s"}
    return f"{said.get(code, f'pytest ended with code {code}')}: {output[-MESSAGE_CHARS_MAX:]}"


def _pytest(folder: Path, junit: Path, paths: Iterable[str]) -> tuple[int, str]:
    options = ["-p", "no:cacheprovider", "-q", "--color=no", "--tb=short", f"--junitxml={junit}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *paths],
        cwd=folder,
        env={
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(folder.parent),
            "TMPDIR": str(folder.parent),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=TESTS_SECONDS_MAX)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        code = -1
    return code, output.decode(errors="replace")


def _cases(report: str) -> Iterable[Case]:
    try:
        root = ElementTree.fromstring(report) if report else None
    except ElementTree.ParseError:
        root = None
    for case in root.iter("testcase") if root is not None else ():
        yield _case(case)


def _case(case: ElementTree.Element) -> Case:
    covers = [each.get("value", "") for each in case.iter("property") if each.get("name") == "covers"]
    name = "::".join(part for part in (case.get("classname", ""), case.get("name", "")) if part)
    for tag, outcome in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            text = "\n".join(filter(None, (found.get("message"), found.text)))
            return Case(name, outcome, text[:MESSAGE_CHARS_MAX], covers)  # type: ignore[arg-type]
    return Case(name, "passed", covers=covers)
