"""What this machine can enforce and which models answer, for `penstock doctor`: one JSON document.

Exit 0 if the runner's tier holds; models are told, and are the caller's to judge.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent_runner.models.examined import examine_models
from agent_runner.models.reading import UnusableModels, read_models
from agent_runner.sandbox.doctor import Finding, examine
from agent_runner.sandbox.port import Tier
from penstock.contracts.names import did_you_mean

_TIER_SETTING = "PENSTOCK_RUNNER_SANDBOX"
_MODELS_SETTING = "PENSTOCK_RUNNER_MODELS_FILE"
_EXIT_WRONG_SETTING = 2


def main() -> int:
    """Look at everything; what counts is the tier that the settings name (bwrap by default)."""
    name = os.environ.get(_TIER_SETTING) or Tier.BWRAP.value
    choices = [tier.value for tier in Tier]
    if name not in choices:
        hint = did_you_mean(name, choices)
        print(f"{_TIER_SETTING}: expected one of {', '.join(choices)}, not '{name}'{hint}", file=sys.stderr)
        return _EXIT_WRONG_SETTING
    document = as_document(asyncio.run(examine()), tier=Tier(name))
    document["models"] = [_finding(each) for each in asyncio.run(_models())]
    print(json.dumps(document))
    return 0 if document["ok"] else 1


async def _models() -> list[Finding]:
    file = os.environ.get(_MODELS_SETTING)
    if not file:
        return [Finding("models", True, f"none are configured; {_MODELS_SETTING} names a file with them")]
    try:
        return await examine_models(read_models(Path(file), os.environ))
    except UnusableModels as error:
        return [Finding("models", False, str(error), f"mend the file in {_MODELS_SETTING}")]


def _finding(found: Finding) -> dict[str, object]:
    return {"name": found.name, "ok": found.ok, "detail": found.detail, "advice": found.hint or None}


def as_document(findings: Sequence[Finding], *, tier: Tier) -> dict[str, object]:
    """`ok` is whether `tier` holds here; tier none promises nothing, so it always does."""
    return {
        "ok": tier is Tier.NONE or any(f.ok for f in findings if f.name == f"tier {tier}"),
        "tier": tier.value,
        "findings": [_finding(each) for each in findings],
    }
