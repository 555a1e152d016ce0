"""What this machine can enforce, for `penstock doctor`: one JSON document, exit 0 if the runner's tier holds."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence

from agent_runner.sandbox.doctor import Finding, examine
from agent_runner.sandbox.port import Tier
from penstock.contracts.names import did_you_mean

_TIER_SETTING = "PENSTOCK_RUNNER_SANDBOX"
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
    print(json.dumps(document))
    return 0 if document["ok"] else 1


def as_document(findings: Sequence[Finding], *, tier: Tier) -> dict[str, object]:
    """`ok` is whether `tier` holds here; tier none promises nothing, so it always does."""
    return {
        "ok": tier is Tier.NONE or any(f.ok for f in findings if f.name == f"tier {tier}"),
        "tier": tier.value,
        "findings": [
            {"name": f.name, "ok": f.ok, "detail": f.detail, "advice": f.hint or None} for f in findings
        ],
    }
