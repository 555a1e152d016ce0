"""What `penstock doctor` says of the machine."""

from pathlib import Path

import pytest

from penstock_cli.commands import doctor


def test_a_machine_without_git_is_told_who_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.git()["ok"]

    monkeypatch.setenv("PATH", str(tmp_path))

    found = doctor.git()
    assert (found["ok"], found["detail"]) == (False, "not installed")
    assert "software-delivery" in found["advice"]
