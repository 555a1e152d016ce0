"""The README: short, with running code at its beginning, and true."""

import re
import subprocess
import sys
from pathlib import Path

from penstock.definition import load
from tests.house.documents import ROOT, blocks

TEXT = (ROOT / "README.md").read_text()
LINES = TEXT.splitlines()


def test_it_is_shorter_than_150_lines() -> None:
    assert len(LINES) < 150


def test_running_code_stands_within_the_first_30_lines() -> None:
    (first, *_) = blocks("\n".join(LINES[:30]), "sh")

    assert "make demo" in first
    assert "make test" in first


def test_its_workflow_is_valid_without_a_warning(tmp_path: Path) -> None:
    (workflow,) = blocks(TEXT, "yaml")
    file = tmp_path / "quick-look.yaml"
    file.write_text(workflow)
    penstock = Path(sys.executable).parent / "penstock"

    said = subprocess.run([penstock, "validate", file], capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
    assert said.stderr == f"{file}: valid\n"


def test_the_file_that_it_runs_is_the_workflow_that_it_shows() -> None:
    (workflow,) = blocks(TEXT, "yaml")

    assert f"penstock run {load(workflow).definition.name}.yaml" in TEXT


def test_the_excerpt_shows_the_nodes_of_the_shipped_workflow() -> None:
    shipped = load((ROOT / "shared/packs/security/repository-guard.yaml").read_bytes()).definition
    (excerpt,) = (block for block in blocks(TEXT, "") if "kill -9" in block)

    shown = re.findall(r"^(\S+) +(?:✔ succeeded +\d+ .*|↷ skipped +)(?<= )(\S+)$", excerpt, re.MULTILINE)

    assert shown == [(node.name, node.agent) for node in shipped.nodes]


def test_figures_come_with_the_command_that_makes_them() -> None:
    (_, _, speed) = TEXT.partition("\n## Speed\n")

    assert speed.startswith("<!-- figures: make bench -->\n")
