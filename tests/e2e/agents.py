"""Agents for the end-to-end tests, written where a test wants them: one program under several manifests."""

import json
from pathlib import Path
from typing import Any


def write_agent(folder: Path, name: str, source: str, *, file: str = "agent.py", **manifest: Any) -> None:
    """`folder/name/agent.yaml` and its program; fields of the manifest may be replaced."""
    agent = folder / name
    agent.mkdir(parents=True)
    (agent / file).write_text(source)
    document = {
        "name": name,
        "version": "1.0.0",
        "command": ["python", "agent.py"],
        "sandbox": {"network": "none", "memory": "256MiB", "processes": 32, "scratch": "32MiB"},
        **manifest,
    }
    (agent / "agent.yaml").write_text(json.dumps(document))
