"""`penstock demo`, as `make demo` runs it: a real tree, a runner killed in the middle, a report at the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PENSTOCK = [sys.executable, "-m", "penstock_cli.main"]


@pytest.mark.sandbox
def test_the_demo_survives_its_runners_death_and_shows_what_it_found(tmp_path: Path) -> None:
    command = [*PENSTOCK, "demo", "-o", "json", "--data", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    nodes = {node["name"]: node for node in shown["run"]["nodes"]}
    assert shown["run"]["state"] == "succeeded"
    states = {name: node["state"] for name, node in nodes.items()}
    assert states.pop("vulnerabilities") == "skipped", "there is no snapshot to compare with"
    assert set(states.values()) == {"succeeded"}
    assert "kill -9 runner-1" in done.stderr
    assert "LeaseLapsed" in done.stderr
    assert [node["attempt"] for node in nodes.values()].count(2) == 1
    assert Path(shown["report"]).read_text().startswith("<!doctype html>")
    patch = Path(shown["report"]).parent / "fixes.patch"
    applies = ["git", "apply", "--check", "--verbose", str(patch)]
    source = tmp_path / "demo/source"
    assert subprocess.run(applies, cwd=source, capture_output=True, check=False).returncode == 0
