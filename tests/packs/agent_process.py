"""Runs an agent of the pack as the runner does: a filter in its own folder, with its pack's library only."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from penstock.contracts.limits import OUTPUT_BYTES_MAX
from tests.packs.expectations import PACK

ENVIRONMENT = {"HOME": "/tmp", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: what it answered, and what it said."""

    code: int
    answer: dict[str, Any]
    log: str


def manifest(agent: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PACK / "agents" / agent / "agent.yaml").read_text())
    return loaded


def attempt(agent: str, request: dict[str, Any], *, out: Path) -> Ended:
    program = manifest(agent)["command"][1]
    done = subprocess.run(
        [sys.executable, program],
        cwd=PACK / "agents" / agent,
        input=json.dumps(request).encode(),
        capture_output=True,
        env={
            "HOME": "/tmp",
            "PATH": "/usr/bin:/bin",
            "PENSTOCK_OUT": str(out),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(PACK / "lib"),
        },
        timeout=120,
        check=False,
    )
    assert len(done.stdout) < OUTPUT_BYTES_MAX
    return Ended(code=done.returncode, answer=json.loads(done.stdout or "null"), log=done.stderr.decode())


def run(agent: str, *, out: Path, **request: Any) -> dict[str, Any]:
    """The answer of a successful attempt. Request and answer must match the agent's own schemas."""
    described = manifest(agent)
    jsonschema_rs.validate(described["input"], request)
    ended = attempt(agent, request, out=out / agent)
    assert ended.code == 0, ended.log
    jsonschema_rs.validate(described["output"], ended.answer)
    return ended.answer


def details(answer: dict[str, Any]) -> dict[str, Any]:
    """The full lists of an answer."""
    loaded: dict[str, Any] = json.loads(Path(answer["details"]).read_text())
    return loaded


def write_tree(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        os.makedirs(path.parent, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root
