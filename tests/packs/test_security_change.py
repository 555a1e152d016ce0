"""change-reader and change-reviewer: what a change brings, told from what was there, as comments that hosts take."""

import importlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from guard.change import parse

from tests.model_server import ModelServer
from tests.packs.agent_process import attempt, details, run, write_tree
from tests.packs.expectations import PACK, SHOP

DIFF = PACK / "samples/change.diff"
ADDED = {"requirements.txt": [5], "shop/app.py": [47, 48, 49, 50, 51], "shop/report.py": [7, 8, 9, 10]}
Json = dict[str, Any]


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def read(tmp_path: Path, **request: Any) -> Json:
    given = {name: str(value) for name, value in request.items()}
    answer = run("change-reader", out=tmp_path / f"read-{'-'.join(request)}", **given)
    assert Path(answer["tree"]).is_dir()
    return answer


def added(answer: Json) -> dict[str, list[int]]:
    return {file["file"]: file["lines"] for file in details(answer)["files"]}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with the change, in a Git history that has both."""
    folder = tmp_path_factory.mktemp("change") / "shop"
    shutil.copytree(SHOP, folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "before")
    git(folder, "checkout", "-qb", "feature")
    git(folder, "apply", str(DIFF))
    git(folder, "commit", "-qam", "after")
    return folder


def test_a_diff_two_trees_and_a_history_tell_the_same_change(changed: Path, tmp_path: Path) -> None:
    git(changed, "bundle", "create", "-q", str(tmp_path / "change.bundle"), "main", "feature")

    ways = [
        read(tmp_path, repository=SHOP, diff=DIFF),  # a tree without the change
        read(tmp_path, diff=DIFF, repository=changed),  # and with it
        read(tmp_path, repository=changed, before=SHOP),
        read(tmp_path, history=tmp_path / "change.bundle", base="main", head="feature"),
    ]

    assert [added(answer) for answer in ways] == [ADDED] * 4
    texts = {(Path(answer["tree"]) / "shop/app.py").read_text() for answer in ways}
    assert texts == {(changed / "shop/app.py").read_text()}
    assert ways[3]["head"] == git(changed, "rev-parse", "feature")
    assert ways[3]["base"] == git(changed, "rev-parse", "main")


def test_new_renamed_and_deleted_files_and_binary_ones(tmp_path: Path) -> None:
    before = write_tree(tmp_path / "a", {"old.py": "x = 1\ny = 2\nz = 3\n" * 9, "gone.py": "x = 1\n"})
    git(before, "init", "-q", "-b", "main")
    git(before, "add", "-A")
    git(before, "commit", "-qm", "before")
    git(before, "mv", "old.py", "new name.py")
    git(before, "rm", "-q", "gone.py")
    write_tree(before, {"added.py": "a = 1\n", "picture.png": b"\0\1"})
    (before / "new name.py").write_text("x = 1\ny = 2\nz = 3\n" * 9 + "w = 4\n")
    git(before, "add", "-A")
    git(before, "commit", "-qm", "after")

    answer = read(tmp_path, repository=before, base="HEAD~1", head="HEAD")

    files = {file["file"]: (file["status"], file["lines"]) for file in details(answer)["files"]}
    assert files == {"added.py": ("added", [1]), "new name.py": ("renamed", [28]), "gone.py": ("emptied", [])}
    assert sorted(path.name for path in Path(answer["tree"]).iterdir()) == ["added.py", "new name.py"]


REFUSED = (
    ({"repository": str(SHOP)}, "expected one of: `diff`"),
    ({"repository": str(SHOP), "diff": str(SHOP / "LICENSE")}, "is no unified diff"),
    ({"repository": str(SHOP / "shop"), "diff": str(DIFF)}, "fits neither before nor after"),
    ({"repository": str(SHOP), "base": "--output=/tmp/x"}, "base: expected a branch, tag or commit"),
)


@pytest.mark.parametrize(("request_", "said"), REFUSED)
def test_refuses_what_is_no_change_of_the_tree(request_: Json, said: str, tmp_path: Path) -> None:
    ended = attempt("change-reader", request_, out=tmp_path)

    assert ended.code == 1
    assert said in ended.answer["error"]["message"]


def test_a_revision_that_is_not_there_is_named_with_those_that_are(changed: Path, tmp_path: Path) -> None:
    ended = attempt("change-reader", {"repository": str(changed), "base": "mian"}, out=tmp_path)

    assert ended.answer["error"]["message"] == "base: the history has no 'mian'; it has feature, main"


@pytest.fixture(scope="module")
def reviewed(changed: Path, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The answers of the nodes before the last, as the workflow hands them on."""
    out = tmp_path_factory.mktemp("reviewed")
    change = read(out, repository=changed, base="main", head="feature")
    scan = run("security-scanner", out=out, source=change["tree"])
    return {
        "change": change,
        "review": run("code-reviewer", out=out, source=change["tree"], scan=scan),
    }


def test_only_what_stands_in_changed_lines_is_new_and_decides(reviewed: Json, tmp_path: Path) -> None:
    def judged(**given: Any) -> Json:
        return run("change-reviewer", out=tmp_path, **reviewed, model=False, **given)

    answer = judged(threshold="medium")

    assert answer["verdict"] == "fail"
    assert [(one["file"], one["line"], one["source"]) for one in answer["comments"]] == [
        ("shop/app.py", 49, "tools")
    ]
    assert answer["old"] > 10
    assert judged(threshold="high")["verdict"] == "pass"
    assert judged(states={"scan": "failed"})["verdict"] == "incomplete"


def test_the_comments_have_the_form_of_the_hosts(reviewed: Json, tmp_path: Path) -> None:
    answer = run("change-reviewer", out=tmp_path, **reviewed, threshold="medium", model=False)

    change = reviewed["change"]

    github, gitlab = (json.loads(Path(answer[host]).read_text()) for host in ("github", "gitlab"))
    assert (github["event"], github["commit_id"]) == ("REQUEST_CHANGES", change["head"])
    assert [{key: one[key] for key in ("path", "line", "side")} for one in github["comments"]] == [
        {"path": "shop/app.py", "line": 49, "side": "RIGHT"}
    ]
    assert "`bandit/B307`" in github["comments"][0]["body"]
    assert gitlab[0]["position"] == {
        "position_type": "text",
        "base_sha": change["base"],
        "start_sha": change["base"],
        "head_sha": change["head"],
        "old_path": "shop/app.py",
        "new_path": "shop/app.py",
        "new_line": 49,
    }


def test_without_a_model_it_says_so(reviewed: Json, tmp_path: Path) -> None:
    answer = run("change-reviewer", out=tmp_path, **reviewed)

    assert answer["model"]["calls"] == 0
    assert "none is configured" in answer["notes"][0]


def test_a_models_remark_counts_only_if_it_quotes_a_new_line_and_no_secret_is_shown(
    model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PACK / "agents/change-reviewer"))
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", model_server.key)
    model_review = importlib.import_module("model_review")
    secret = "AKIAIOSFODNN7" + "EXAMPLE"
    diff = (
        f'--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n x = 1\n-password = "old one"\n+key = "{secret}"\n y = 2\n'
    )
    said = {"severity": "high", "title": "t", "text": "t"}
    remarks = [
        {**said, "file": "a.py", "line": 2, "quote": "+key = "},
        {**said, "file": "a.py", "line": 1, "quote": "x = 1"},  # was there before
        {**said, "file": "a.py", "line": 2, "quote": "eval(x)"},  # does not stand there
        {**said, "file": "b.py", "line": 2, "quote": "key"},
    ]
    model_server.on(lambda request: {"remarks": remarks})

    hidden = {("a.py", 2): 'key = "AKIA********"'}
    asked = model_review.ask(parse(diff), hidden=hidden, known=[], is_wanted=True)

    assert [(one.file, one.line, one.source) for one in asked.remarks] == [("a.py", 2, "model")]
    assert asked.dropped == 3
    assert secret not in model_server.requests[-1].everything
    assert "old one" not in model_server.requests[-1].everything


def test_a_name_that_git_writes_in_quotes_is_reviewed_like_any_other(tmp_path: Path) -> None:
    """Else a letter beyond ASCII in a file's name would hide the file from the review."""
    names = ["pr\u00fcfung.py", 'quo"te.py']
    folder = write_tree(tmp_path / "tree", dict.fromkeys(names, "a = 1\n"))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "before")
    write_tree(folder, dict.fromkeys(names, "a = 1\nexec(a)\n"))
    git(folder, "commit", "-qam", "after")
    (tmp_path / "a.diff").write_text(git(folder, "diff", "HEAD~1", "HEAD") + "\n")
    assert "\\303\\274" in (tmp_path / "a.diff").read_text()

    ways = [
        read(tmp_path, repository=folder, base="HEAD~1"),
        read(tmp_path, repository=folder, diff=tmp_path / "a.diff"),
    ]

    assert [added(way) for way in ways] == [{name: [2] for name in names}] * 2
    assert [way["left_out"] for way in ways] == [[], []]
    assert all((Path(way["tree"]) / name).is_file() for way in ways for name in names)


@pytest.fixture
def hiding(tmp_path: Path) -> Path:
    """A history whose change calls its own code binary, and brings what is too large to look at."""
    folder = write_tree(tmp_path / "tree", {"app.py": "a = 1\n", "logo.bin": b"\0a", "pr\u00fcf.bin": b"\0a"})
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "before")
    code = {".gitattributes": "*.py -diff\n", "app.py": "a = 1\nexec(a)\n", "large.py": "a = 1\n" * 200_000}
    write_tree(folder, {**code, "logo.bin": b"\0b", "pr\u00fcf.bin": b"\0b"})
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "after")
    return folder


def test_a_change_cannot_call_its_code_binary(hiding: Path, tmp_path: Path) -> None:
    git(hiding, "bundle", "create", "-q", str(tmp_path / "change.bundle"), "HEAD", "main")

    for way in ({"repository": hiding}, {"history": tmp_path / "change.bundle"}):
        answer = read(tmp_path, base="HEAD~1", **way)
        assert added(answer)["app.py"] == [2]
        assert sorted(answer["left_out"]) == ["large.py", "logo.bin", "pr\u00fcf.bin"]


def test_the_verdict_says_what_nobody_has_looked_at(hiding: Path, tmp_path: Path) -> None:
    (tmp_path / "a.diff").write_text(git(hiding, "diff", "HEAD~1", "HEAD") + "\n")
    change = read(tmp_path, repository=hiding, diff=tmp_path / "a.diff")

    answer = run("change-reviewer", out=tmp_path, change=change, model=False)

    said = "Changed, and looked at by nobody, for they are binary, too large or no file: "
    assert any(
        note.startswith(said) and "`app.py`" in note and "`logo.bin`" in note for note in answer["notes"]
    )
    assert said in answer["summary"]


def test_a_change_with_carriage_returns_inside_lines_never_passes(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a.py": b"a = 1\n\r\r\r\rexec(a)\n"})
    diff = tmp_path / "a.diff"
    diff.write_bytes(b"--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n a = 1\n+\r\r\r\rexec(a)\n")
    change = read(tmp_path, repository=tree, diff=diff)

    answer = run("change-reviewer", out=tmp_path, change=change, review=None, model=False)

    assert answer["verdict"] == "incomplete"
    assert any("1 new lines have carriage returns inside" in note for note in answer["notes"])
