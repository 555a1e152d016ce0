"""Ruff's own fixes, only those that it calls safe: they keep the code's meaning; and ruff as a witness."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ruff.__main__ import find_ruff_bin

RULES = "E9,F,B,S,PLE,ASYNC,RUF006,BLE001"  # as the agent code-reviewer asks
TIMEOUT_S = 240


def fix(paths: Iterable[Path], *, rules: Iterable[str]) -> None:
    """Apply the safe fixes of some rules, in place."""
    _ruff("--fix-only", f"--select={','.join(sorted(rules))}", paths=paths)


def count(root: Path, paths: Iterable[Path]) -> Counter[tuple[str, str]]:
    """How often each rule is broken in each file: {("ruff/F401", "shop/app.py"): 1}."""
    found = json.loads(_ruff("--output-format=json", f"--select={RULES}", paths=paths) or "[]")
    names = ((Path(item["filename"]).relative_to(root).as_posix(), item["code"]) for item in found)
    return Counter((f"ruff/{code}", name) for name, code in names)


def _ruff(*options: str, paths: Iterable[Path]) -> bytes:
    files = [str(path) for path in paths]
    if not files:
        return b""
    command = [
        find_ruff_bin(),
        "check",
        "--isolated",
        "--no-cache",
        "--exit-zero",
        *options,
        "--",
        *files,
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(
            f"ruff ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}"
        )
    return done.stdout
