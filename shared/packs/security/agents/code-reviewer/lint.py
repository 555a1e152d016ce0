"""What ruff says of a tree: its security, bug and async rules. The tree's own ruff settings do not count."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guard.handover import log
from guard.tree import SourceFile
from ruff.__main__ import find_ruff_bin

RULES = "E9,F,B,S,PLE,ASYNC,RUF006,BLE001"
RULES_OFF = "S101,S404,S603,S607,B904,B905,F405,F403"  # matters of taste, or said better by the scanner
TIMEOUT_S = 240  # far above what the largest allowed tree needs; ruff does 100 files in 0.1 s

_BREAKS = ("E9", "F82", "F50", "F63", "F7", "PLE", "invalid-syntax")  # fails when that line runs
_SAFETY = {"S602": "high", "S605": "high", "S201": "high", "S501": "high", "S324": "high", "S301": "medium"}


@dataclass(frozen=True)
class Remark:
    """One remark of ruff. `is_fixable`: ruff has a fix that keeps the meaning."""

    rule: str
    file: SourceFile
    line: int
    message: str
    help: str | None
    is_fixable: bool

    @property
    def severity(self) -> str:
        if self.rule.startswith(_BREAKS):
            found = "medium"
        elif self.rule.startswith("S"):
            found = _SAFETY.get(self.rule, "medium" if self.rule[1] in "3567" else "low")
        else:
            found = "low"
        return found if not self.file.is_test else "low"


def scan(files: Sequence[SourceFile]) -> list[Remark]:
    by_path = {str(file.path): file for file in files}
    if not by_path:
        return []
    remarks = [_remark(found, by_path[found["filename"]]) for found in _ruff(list(by_path))]
    log(f"ruff: {len(remarks)} remarks on {len(files)} files")
    return remarks


def _ruff(paths: Sequence[str]) -> list[dict[str, Any]]:
    options = ["--isolated", "--no-cache", "--exit-zero", "--no-force-exclude", "--output-format=json"]
    rules = [f"--select={RULES}", f"--ignore={RULES_OFF}"]
    command = [find_ruff_bin(), "check", *options, *rules, "--", *paths]
    done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(
            f"ruff ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}"
        )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _remark(found: dict[str, Any], file: SourceFile) -> Remark:
    fix = found.get("fix")
    return Remark(
        rule=found["code"] or "invalid-syntax",
        file=file,
        line=found["location"]["row"],
        message=found["message"],
        help=found.get("url"),
        is_fixable=fix is not None and fix["applicability"] == "safe",
    )
