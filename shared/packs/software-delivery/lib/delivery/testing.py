"""Tests that really run: pytest on a copy of the tree, in processes that know nothing of the attempt.

The tester's own tests run by themselves, with a configuration of their own: no setting, conftest.py or module of the
tree chooses which of them run. Then run all others of the tree, with the tree's configuration.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal
from xml.etree import ElementTree

from delivery.worktree import Tree

TESTS_SECONDS_MAX = 240
MESSAGE_CHARS_MAX = 2_000  # of one failure: what a person or a model reads of it
FAILURES_SHOWN = 20
OUTPUT_BYTES_MAX = 200_000  # the last ones of what was printed
TEAM = ("tests/contract", "tests/acceptance")
"""Where the tester's own tests are."""
CONFIGURATIONS = ("pyproject.toml", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "conftest.py")
"""Files that may choose which tests of a tree run, and how."""
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
    """All tests of the tree, or those below `paths`. Green: some ran, none failed, and none was left out."""
    deadline = time.monotonic() + TESTS_SECONDS_MAX
    with tempfile.TemporaryDirectory(prefix="delivery-tests-", ignore_cleanup_errors=True) as name:
        folder = tree.export(Path(name) / "tree")
        parts = [_run(part, folder, deadline) for part in _parts(tree, folder, paths)]
    cases = [case for part in parts for case in part.cases]
    counts = Counter(case.outcome for case in cases)
    is_green = not counts["failed"] + counts["error"] and counts["passed"] > 0
    output = "\n".join(part.output for part in parts)
    return TestRun(
        is_green,
        {str(outcome): count for outcome, count in counts.items()},
        cases,
        output,
        _merged([part.report for part in parts]),
    )


@dataclass(frozen=True)
class _Part:
    """Tests that run together. Without `paths` the tree's configuration says which."""

    is_team: bool
    paths: tuple[str, ...] = ()
    may_be_empty: bool = False

    @property
    def command(self) -> list[str]:
        """The tree's root is on the path as with `python -m pytest`, but no module of it stands in for pytest."""
        root = "" if self.is_team else "sys.path.insert(0, ''); "
        return [sys.executable, "-P", "-c", f"import sys, pytest; {root}sys.exit(pytest.main())"]

    def options(self, folder: Path) -> list[str]:
        if not self.is_team:
            return [*(f"--ignore={each}" for each in TEAM), *self.paths]
        own = folder.parent / "pytest.ini"
        own.write_text("[pytest]\n", encoding="utf-8")
        top = next(each for each in TEAM if self.paths[0].startswith(each))
        return ["-c", str(own), f"--rootdir={folder}", f"--confcutdir={folder / top}", *self.paths]


@dataclass(frozen=True)
class _Done:
    cases: list[Case]
    output: str
    report: str


def _parts(tree: Tree, folder: Path, paths: tuple[str, ...]) -> list[_Part]:
    wanted = paths or tuple(name for name in TEAM if (folder / name).is_dir())
    team = tuple(name for name in wanted if f"{name}/".startswith(tuple(f"{each}/" for each in TEAM)))
    others = tuple(name for name in wanted if name not in team)
    parts = [_Part(True, team)] if team else []
    if others or not (paths or team):
        parts.append(_Part(False, others))
    elif not paths and _has_others(tree):
        parts.append(_Part(False, may_be_empty=True))
    return parts


def _has_others(tree: Tree) -> bool:
    names = [name for name in tree.files() if not name.startswith(tuple(f"{each}/" for each in TEAM))]
    return any(is_test(name) or PurePosixPath(name).name in CONFIGURATIONS[1:] for name in names)


def is_test(name: str) -> bool:
    """Whether pytest takes the file for one with tests, unless it is configured otherwise."""
    last = PurePosixPath(name).name
    return last.endswith(".py") and (last.startswith("test_") or last.endswith("_test.py"))


def _run(part: _Part, folder: Path, deadline: float) -> _Done:
    junit, printed = folder.parent / "junit.xml", folder.parent / "output.txt"
    junit.unlink(missing_ok=True)
    code = _pytest(part, folder, junit, printed, seconds=max(1.0, deadline - time.monotonic()))
    report = junit.read_text(encoding="utf-8", errors="replace") if junit.is_file() else ""
    with printed.open("rb") as file:
        file.seek(max(0, printed.stat().st_size - OUTPUT_BYTES_MAX))
        output = file.read().decode(errors="replace")
    # Equal results must be equal texts, without this run's folder: a retried attempt asks a model the same.
    output, report = (text.replace(f"{folder}/", "") for text in (output, report))
    cases = list(_cases(report, is_team=part.is_team))
    is_wrong = code and not any(case.outcome in ("failed", "error") for case in cases)
    if (is_wrong or not cases) and not (code == _NO_TESTS and part.may_be_empty):
        cases.append(Case("pytest", "error", message=_why(code, output)))
    return _Done(cases, output, report)


def _why(code: int, output: str) -> str:
    said = {_NO_TESTS: "there is no test", -1: f"the tests took more than {TESTS_SECONDS_MAX} s"}
    return f"{said.get(code, f'pytest ended with code {code}')}: {output[-MESSAGE_CHARS_MAX:]}"


def _pytest(part: _Part, folder: Path, junit: Path, printed: Path, *, seconds: float) -> int:
    """pytest's exit code; -1: it took too long. What it has started ends with it."""
    options = ["-p", "no:cacheprovider", "-q", "--color=no", "--tb=short", f"--junitxml={junit}"]
    options.append("--continue-on-collection-errors")  # one file that cannot be read hides no other failure
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [*part.command, *options, *part.options(folder)],
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
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return -1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _cases(report: str, *, is_team: bool) -> Iterable[Case]:
    root = _parsed(report)
    for case in root.iter("testcase") if root is not None else ():
        yield _case(case, is_team=is_team)


def _parsed(report: str) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(report) if report else None
    except ElementTree.ParseError:
        return None


def _merged(reports: list[str]) -> str:
    """One report of those that can be read."""
    roots = [root for root in map(_parsed, reports) if root is not None]
    if len(roots) < 2:
        return next(filter(None, reports), "")
    for root in roots[1:]:
        roots[0].extend(root)
    return ElementTree.tostring(roots[0], encoding="unicode")


def _case(case: ElementTree.Element, *, is_team: bool) -> Case:
    """Only the tester says what its tests cover: who is judged does not write the measure."""
    said = [each.get("value", "") for each in case.iter("property") if each.get("name") == "covers"]
    covers = said if is_team else []
    name = "::".join(part for part in (case.get("classname", ""), case.get("name", "")) if part)
    for tag, outcome in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            text = "\n".join(filter(None, (found.get("message"), found.text)))
            return Case(name, outcome, text[:MESSAGE_CHARS_MAX], covers)  # type: ignore[arg-type]
    return Case(name, "passed", covers=covers)
