"""What the team does on a real Git working tree: build, run tests, review; and what it may not touch."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from penstock.agents import Invalid
from tests.packs.delivery_library import (
    PACK,
    analysed,
    begun,
    built,
    contracts,
    implementing,
    plan,
    review,
    reviewing,
    testing,
    toolbox,
    verdict,
    worktree,
)

Feedback = implementing.Feedback
FAULTS = [
    ("model.py", "value < field.minimum", "value < 0"),
    ("service.py", 'raise Conflict(f"not while', 'print(f"not while'),
    ("statements.py", 'and (:state is null or "state" = :state)', ""),
]
NOTES = """# Note pad

A note has a text (required, at most 20 characters) and a state (required, one of open/closed).

- I must be able to delete notes.
- To close a note changes its state from open to closed.
"""
TASKS = """# Task list

A task has a name (required, at most 20 characters), an effort (number, from 0.5 to 40), a done (yes or no), a due
(moment) and a state (required, one of open/closed).

- I must be able to add, change and delete tasks.
- I must be able to list tasks by state and done.
- To close a task changes its state from open to closed.
- A task must not be changed while its state is closed.

An event has a self (text) and a class (whole number, at most 3).

- I must be able to list events by self and class.
"""


def test_what_is_built_passes_the_tests_of_its_contracts() -> None:
    """As a program; the service and the library are tested through the public API."""
    found = testing.run_tests(built(analysed(NOTES), blueprint="cli-tool"))

    assert found.is_green, found.output
    assert found.counts["passed"] > 20
    assert {*found.covered().values()} == {"passed"}
    assert {"createNote", "closeNote", "deleteNote", "storage", "listChangeEvents", "getHealth"} <= {
        *found.covered()
    }


def test_the_tests_of_the_contracts_find_faults() -> None:
    tree = built(analysed(TASKS), blueprint="crud-service")
    for file, right, wrong in FAULTS:
        source = (tree.folder / "task_list" / file).read_text()
        assert right in source
        tree.write({f"task_list/{file}": source.replace(right, wrong)})

    found = testing.run_tests(tree, "tests/contract")

    names = " ".join(each.name for each in found.failures)
    assert not found.is_green
    assert all(test in names for test in ("updateTask-effort-minimum", "a_guard_refuses", "listTasks-state"))
    assert [each.state for each in verdict.verdicts(analysed(TASKS), found.covered())] == [
        *("partly", "open", "met", "open", "met"),
    ]


def test_the_service_answers_over_http() -> None:
    tree = built(analysed(TASKS), blueprint="crud-service")
    command = [sys.executable, "-u", "-m", "task_list", "--port", "0", "--database", ":memory:"]

    with subprocess.Popen(command, cwd=tree.folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().rpartition(" ")[2].strip()
            made = httpx.post(f"{url}/tasks", json={"name": "test", "state": "open"})
            wrong = httpx.post(f"{url}/tasks", content=b"{")
            closed = httpx.post(f"{url}/tasks/{made.json()['id']}/close")
            listed = httpx.get(f"{url}/tasks", params={"state": "closed"})
        finally:
            server.kill()

    assert (made.status_code, wrong.status_code, closed.status_code) == (201, 400, 200)
    assert listed.json()["items"] == [closed.json()]


def test_given_history_is_kept_and_given_files_stay(tmp_path: Path) -> None:
    given = repository(
        tmp_path / "given", {"README.md": "Ours.\n", "tests/test_ours.py": "def test_ours(): pass\n"}
    )
    bundle = tmp_path / "given.bundle"
    git(given, "bundle", "create", str(bundle), "main")

    for source in (given, bundle):
        assert "Our first" in git(worktree.begin(str(source)).folder, "log", "--format=%s")

    tree = built(analysed(TASKS), blueprint="library", repository=bundle)
    assert (tree.folder / "README.md").read_text() == "Ours.\n"
    assert any("test_ours" in each.name for each in testing.run_tests(tree, "tests/test_ours.py").cases)
    assert "Ours" not in tree.diff()


def test_a_package_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "task_list").mkdir()
    (tmp_path / "task_list/service.py").write_text("# somebody's\n")
    tree = begun(analysed(TASKS), blueprint="library", repository=tmp_path)

    with pytest.raises(Invalid, match=r"task_list/service\.py exists; give the requirements another title"):
        implementing.implement(tree, number=1, feedback=Feedback(), model="none")


def test_without_a_model_failing_tests_end_the_work_with_what_is_needed() -> None:
    tree = built(analysed(TASKS), blueprint="library")
    failed = testing.Case("test_it", "failed", message="assert 1 == 2\nmore")

    with pytest.raises(
        Invalid, match=r"1 tests fail \(test_it: assert 1 == 2\)\. Without a model nothing can mend this"
    ):
        implementing.implement(tree, number=2, feedback=Feedback(failures=[failed]), model="none")


def test_rounds_without_a_good_one_end_with_what_the_last_has_found() -> None:
    report_delivery = runpy.run_path(str(PACK / "agents/delivery-reporter/agent.py"))["report_delivery"]
    failed = testing.Case(
        "tests.unit::test_it", "failed", message="AssertionError\nE   assert min(3, 9) == 9"
    )
    comment = review.Comment("a.py", 3, "blocking", "SQL is not bound", "model")
    feedback = Feedback(failures=[failed], comments=[comment])

    with pytest.raises(Invalid) as raised:
        report_delivery("bundle", {}, [], 4, done=False, feedback=feedback)

    assert str(raised.value) == (
        "nothing to release after 4 rounds: 1 tests fail (tests.unit::test_it: assert min(3, 9) == 9); a.py:3 SQL is"
        " not bound"
    )


def test_a_bundle_hands_on_the_tree_with_who_did_what(tmp_path: Path) -> None:
    tree = built(analysed(TASKS), blueprint="library")

    opened = worktree.opened(tree.bundle(tmp_path / "handed.bundle"))

    assert opened.files() == tree.files()
    assert [each["by"] for each in opened.log()] == ["designer", "implementer", "tester"]
    assert plan.read(opened) == plan.read(tree)
    assert plan.contracts(opened) == contracts.design(analysed(TASKS))


def test_tests_know_nothing_of_the_attempt_and_leave_the_tree_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_SOCKET", "/nowhere")
    source = (
        "import os, pathlib\n"
        "def test_environment(): assert not [name for name in os.environ if name.startswith('PENSTOCK')]\n"
        "import subprocess\n"
        "def test_writes(): pathlib.Path('left-behind').write_text('x')\n"
        "def test_leaves_a_process(): subprocess.Popen(['sleep', '600'])  # which is not waited for\n"
    )
    tree = worktree.begin(None)
    tree.write({"test_it.py": source})

    found = testing.run_tests(tree)

    assert found.counts == {"passed": 3}
    assert tree.files() == ["test_it.py"]


def test_no_file_of_the_tree_chooses_which_of_the_testers_tests_run() -> None:
    """Nor does a test of somebody else's say that a requirement is met."""
    covering = "def test_it(record_property):\n    record_property('covers', 'R{}')\n    assert {}\n"
    tree = worktree.begin(None)
    tree.write(
        {
            "tests/contract/test_it.py": covering.format(1, False),
            "tests/acceptance/test_it_too.py": covering.format(2, True),
            "tests/unit/test_it.py": covering.format(3, True),
            "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests/unit']\n",
            "tests/conftest.py": "def pytest_collection_modifyitems(items): items[:] = items[-1:]\n",
            "pytest.py": "def main(): return 0\n",
        }
    )

    found = testing.run_tests(tree)

    assert not found.is_green
    assert found.counts == {"failed": 1, "passed": 2}
    assert found.covered() == {"R1": "failed", "R2": "passed"}
    assert found.junit.count("<testcase") == 3


def test_files_that_the_given_repository_ignores_are_handed_on_all_the_same(tmp_path: Path) -> None:
    given = repository(tmp_path / "given", {".gitignore": "*.json\ndelivery/\n", "dos.txt": "a\r\nb\r\n"})
    tree = begun(analysed(TASKS), blueprint="library", repository=given)
    (tree.folder / "dos.txt").write_bytes(b"a\r\nB\xff\r\n")
    tree.commit("implementer", "Change")

    opened = worktree.opened(tree.bundle(tmp_path / "handed.bundle"))

    assert plan.read(opened).analysis == analysed(TASKS)
    patch = opened.patch(tmp_path / "delivery.patch")
    git(given, "apply", "--index", str(patch))
    assert git(given, "write-tree") == opened.git("rev-parse", "HEAD^{tree}")


def test_a_repository_where_the_team_would_overwrite_something_is_refused(tmp_path: Path) -> None:
    given = {"contracts/api.json": "{}", "tests/contract/test_ours.py": "", "contracts/terms.md": "ours"}

    tree = worktree.begin(str(repository(tmp_path / "given", given)))

    assert plan.taken(tree) == ["contracts/api.json", "tests/contract/test_ours.py"]


def test_the_tester_sees_what_the_implementers_code_did_behind_the_tools(tmp_path: Path) -> None:
    given = repository(tmp_path / "given", {"tests/test_ours.py": "def test_ours(): assert False\n"})
    tree = begun(analysed(TASKS), blueprint="library", repository=given)
    before = str(tree.bundle(tmp_path / "before.bundle"))
    for name in ("contracts/api.json", "tests/test_ours.py", "conftest.py", "task_list/fine.py"):
        tree.write({name: "\n"})
    tree.commit("implementer", "Change")

    changed = tree.changed_since(before)

    assert {name for name in changed if not plan.is_others(name, tree.given())} == {"task_list/fine.py"}
    tree.git("commit", "--quiet", "--amend", "--message", "Another history", role="implementer")
    tree.git("reset", "--quiet", "--hard", "HEAD^^")
    with pytest.raises(worktree.GitFailed):
        tree.changed_since(before)


def test_a_tree_that_the_tests_have_not_seen_is_not_reviewed(tmp_path: Path) -> None:
    tree = begun(analysed(TASKS), blueprint="library")
    bundle, seen = tree.bundle(tmp_path / "tested.bundle"), tree.head()

    assert worktree.opened(bundle, commit=seen).head() == seen
    with pytest.raises(worktree.GitFailed, match="not the one that the tests saw"):
        worktree.opened(bundle, commit="0" * 40)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "there is no test"),
        ("import os\ndef test_it(): os._exit(0)", "pytest ended with code 0"),
    ],
)
def test_what_is_not_green_says_why(source: str, message: str) -> None:
    tree = worktree.begin(None)
    tree.write({"test_it.py": source})

    found = testing.run_tests(tree)

    assert not found.is_green
    assert message in found.failures[0].message
    assert "delivery-tests-" not in found.output + found.junit


def test_a_file_that_cannot_be_imported_hides_no_other_failure() -> None:
    tree = worktree.begin(None)
    tree.write({"test_a.py": "import no_such_module", "test_b.py": "def test_it(): assert 1 == 2"})

    found = testing.run_tests(tree)

    messages = " ".join(each.message for each in found.failures)
    assert not found.is_green
    assert "no_such_module" in messages
    assert "assert 1 == 2" in messages


@pytest.mark.parametrize(
    "path",
    ["../outside.py", "/etc/passwd", ".git/hooks/pre-commit", "link/x.py", "contracts/api.json",
     "tests/contract/x.py", "./delivery/plan.json", "conftest.py", "a/pytest.ini", "pyproject.toml", ""],
)  # fmt: skip
def test_a_models_tools_write_nothing_that_is_not_the_implementers(path: str, tmp_path: Path) -> None:
    tree = begun(analysed(TASKS), blueprint="library")
    os.symlink(tmp_path, tree.folder / "link")
    write = next(each for each in toolbox.tools_on(tree) if each.__name__ == "write_file")
    before = tree.git("status", "--porcelain")

    with pytest.raises(worktree.Outside):
        write(path, "x")

    assert tree.git("status", "--porcelain") == before
    assert list(tmp_path.iterdir()) == []


def test_a_model_can_look_and_write_and_test() -> None:
    tree = begun(analysed(TASKS), blueprint="library")
    tools = {each.__name__: each for each in toolbox.tools_on(tree)}

    tools["write_file"]("task_list/test_it.py", "def test_it(): assert False, 'not yet'\n")

    assert "task_list/test_it.py" in tools["list_files"]()
    assert tools["read_file"]("task_list/test_it.py").startswith("def test_it")
    told = tools["run_tests"]("task_list/test_it.py")
    assert (told["passes"], told["counts"]) == (False, {"failed": 1})
    assert "not yet" in told["failures"][0]["message"]


def test_a_review_speaks_of_changed_lines_only(tmp_path: Path) -> None:
    given = repository(tmp_path / "given", {"old.py": "import os\nprint(undefined_before)\n"})
    tree = worktree.begin(str(given))
    tree.write({"old.py": "import os\nprint(undefined_before)\nprint(undefined_now)\n"})
    tree.write({"new.py": "import subprocess\nsubprocess.run('ls ' + input(), shell=True)\n"})
    tree.commit("implementer", "Change")

    found = review.tool_comments(tree)

    blocking = [(each.file, each.line, each.by) for each in found if each.severity == "blocking"]
    assert ("old.py", 3, "ruff") in blocking
    assert ("new.py", 2, "bandit") in blocking
    assert not [each for each in found if each.file == "old.py" and each.line < 3]


def test_nothing_in_the_tree_hides_a_fault_from_the_review() -> None:
    fault = "import subprocess\nsubprocess.run('ls ' + input(), shell=True)  # nosec # noqa\nprint(nobody)  # noqa\n"
    tree = worktree.begin(None)
    names = ["bücher.py", 'a "b".py', "plain.py"]
    looks_like_a_diff = 'TEXT = """\n++ b/other.py\n@@ -1 +1 @@\n"""\n\n\n'
    tree.write(dict.fromkeys(names, fault))
    tree.write(
        {
            ".gitattributes": "*.py -diff\n",
            "bandit.py": "print('{\"results\": []}')\n",
            "ruff.py": "print('[]')\n",
            "spoof.py": looks_like_a_diff + fault,
        }
    )
    tree.commit("implementer", "Change")

    found = review.tool_comments(tree)

    blocking = {(each.file, each.line) for each in found if each.severity == "blocking"}
    assert {(name, line) for name in names for line in (2, 3)} <= blocking
    assert {("spoof.py", 8), ("spoof.py", 9)} <= blocking


def test_a_review_of_what_was_built_blocks_nothing_and_is_kept() -> None:
    tree = built(analysed(TASKS), blueprint="crud-service")

    found = reviewing.look(tree, number=1, model="none")

    assert found.blocking == []
    assert "delivery/reviews/round-1.md" in tree.files()
    assert tree.log()[-1]["by"] == "reviewer"


def repository(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(
        folder,
        "-c",
        "user.name=us",
        "-c",
        "user.email=us@example.org",
        "commit",
        "--quiet",
        "-m",
        "Our first",
    )
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
