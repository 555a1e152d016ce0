"""`penstock init`: a copy of a pack is complete, runs, and takes the place of what ships."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from penstock_cli.embedded.stack import packs_folder
from penstock_cli.packs import used_first, workflow_files
from tests.stack import Stack

PENSTOCK = (str(Path(sys.prefix) / "bin" / "penstock"),)


def penstock(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PENSTOCK, *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_packs_are_listed_with_their_workflows(tmp_path: Path) -> None:
    listed = json.loads(penstock("init", "-o", "json", folder=tmp_path).stdout)

    assert {pack["pack"] for pack in listed} >= {"blank", "security"}
    assert all(pack["workflows"] and pack["agents"] and pack["description"] for pack in listed)


def test_a_wrong_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    done = penstock("init", "secutiry", folder=tmp_path)

    assert done.returncode == 1
    assert "did you mean 'security'?" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")

    assert penstock("init", "blank", "mine", folder=tmp_path).returncode == 1
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("pack", ["blank", *sorted(path.name for path in packs_folder().iterdir())])
def test_every_pack_can_be_copied_and_its_workflows_take_the_place_of_the_shipped(
    pack: str, tmp_path: Path
) -> None:
    document = json.loads(penstock("init", pack, "mine", "-o", "json", folder=tmp_path).stdout)

    copied = {file.parent for file in workflow_files([tmp_path / "mine", packs_folder()])}
    assert tmp_path / "mine" in copied
    assert packs_folder() / pack not in copied
    assert document["workflows"]
    readme = (tmp_path / "mine/README.md").read_text()
    assert f"shared/packs/{pack}" not in readme
    for link in re.findall(r"\]\((\.\./[^)#]+)", readme):
        assert (tmp_path / "mine" / link).exists(), link


def test_workflows_are_saved_after_those_that_they_run(tmp_path: Path) -> None:
    def write(name: str, *used: str) -> Path:
        nodes = {f"n{number}": {"workflow": other} for number, other in enumerate(used)}
        file = tmp_path / f"{name}.yaml"
        file.write_text(json.dumps({"name": name, "nodes": nodes or {"n": {"agent": "x"}}}))
        return file

    files = [write("a", "b", "c"), write("b", "c"), write("c"), write("round", "round", "elsewhere")]

    assert [file.stem for file in used_first(files)] == ["c", "round", "b", "a"]


@pytest.mark.sandbox
def test_a_new_pack_runs_and_its_own_tests_pass(tmp_path: Path) -> None:
    assert penstock("init", "blank", "mine", folder=tmp_path).returncode == 0
    with Stack(folder=tmp_path / "stack", agents=(tmp_path / "mine",)) as stack:
        saved = penstock("apply", "mine/greet-people.yaml", folder=tmp_path, PENSTOCK_URL=stack.url)
        people = 'people=["Ada", " Grace"]'
        done = penstock(
            *("run", "greet-people", "-i", people, "--wait", "-o", "json"),
            folder=tmp_path,
            PENSTOCK_URL=stack.url,
        )

    assert saved.returncode == 0, saved.stderr
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == {"greetings": ["Hello Ada", "Hello Grace"]}
    own = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    tested = subprocess.run(own, cwd=tmp_path / "mine", capture_output=True, check=False)
    assert tested.returncode == 0, tested.stdout.decode()
