"""The six agents, one after another, on the sample shop."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.packs.agent_process import run
from tests.packs.expectations import SHOP


@dataclass(frozen=True)
class Chain:
    """The answers of all agents, as the workflow hands them on."""

    source: Path
    scan: dict[str, Any]
    licenses: dict[str, Any]
    headers: dict[str, Any]
    review: dict[str, Any]
    patch: dict[str, Any]
    report: dict[str, Any]


def chain_of(source: Path, *, out: Path, threshold: str = "high") -> Chain:
    where = str(source)
    checks = {
        "scan": run("security-scanner", out=out, source=where),
        "licenses": run("license-checker", out=out, source=where, allowed=[]),
        "headers": run("header-checker", out=out, source=where),
    }
    review = run("code-reviewer", out=out, source=where, **checks)
    patch = run("patcher", out=out, source=where, review=review)
    states = dict.fromkeys([*checks, "review", "patch"], "succeeded")
    facts = {"id": "0199", "project": "default", "workflow": "repository-guard", "version": 1}
    parts = {**checks, "review": review, "patch": patch}
    report = run("reporter", out=out, threshold=threshold, **parts, states=states, run=facts)
    return Chain(source=source, report=report, **parts)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return chain_of(SHOP, out=tmp_path_factory.mktemp("shop"))
