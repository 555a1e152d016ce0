"""The agents of paper-analysis as functions, one after another as the workflow has them; without a runner."""

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any

import yaml

from penstock.agents import Agent
from tests.packs.papers import PACK

Json = dict[str, Any]


def load(name: str) -> Agent[..., Json]:
    """The agent that the command of its manifest runs."""
    folder = PACK / "agents" / name
    program = Path(yaml.safe_load((folder / "agent.yaml").read_text())["command"][1])
    spec = importlib.util.spec_from_file_location(f"{name}.{program.stem}", folder / program)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Agent[..., Json] = getattr(module, program.stem)
    return found


def chain(paper: Path, *, repository_fails: bool = False) -> tuple[Json, Json, str]:
    """The repository's answer, the report's facts, and its page; by rules."""
    text = load("paper-text")(paper=paper, facts=load("paper-ingest")(paper=paper))
    links = asyncio.run(load("paper-links").function(evidence=load("paper-evidence")(text=text)))
    repository = load("paper-repository")(links=links)
    of_repository: Json = {}
    if not repository_fails:
        of_repository = load("paper-repository-checks")(repository=repository, use_model=False)
    of_paper = load("paper-checks")(text=text, use_model=False)
    states = {"ai-checks-pdf": "succeeded", "ai-checks-repo": "failed" if repository_fails else "succeeded"}
    findings = load("paper-findings")(paper=of_paper, repository=of_repository, states=states)
    report = load("paper-report")(score=load("paper-score")(aggregated=findings), run={"id": "0199"})
    return repository, json.loads(Path(report["json"]).read_text()), Path(report["path"]).read_text()
