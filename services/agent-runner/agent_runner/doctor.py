"""What this machine can enforce, for `penstock doctor`: one JSON document, exit 0 if the tier holds."""

import asyncio
import json
import os

from agent_runner.sandbox.port import Tier
from agent_runner.sandbox.probe import Check, Report, probe
from penstock.contracts.names import did_you_mean

_TIER_SETTING = "PENSTOCK_RUNNER_SANDBOX"


def main() -> int:
    """Attack the tier that the settings name (bwrap by default) and print what it withstood."""
    name = os.environ.get(_TIER_SETTING) or Tier.BWRAP.value
    try:
        tier = Tier(name)
    except ValueError:
        choices = [tier.value for tier in Tier]
        print(
            f"{_TIER_SETTING}: expected one of {', '.join(choices)}, not '{name}'{did_you_mean(name, choices)}"
        )
        return 2
    report = asyncio.run(probe(tier))
    print(json.dumps(document(report)))
    return 0 if report.holds else 1


def document(report: Report) -> dict[str, object]:
    limits = [
        {"name": f"limit {name}", "ok": True, "detail": detail, "advice": None}
        for name, detail in report.details.items()
    ]
    checks = [_finding(check) for check in report.checks]
    return {"ok": report.holds, "tier": report.tier.value, "findings": limits + checks}


def _finding(check: Check) -> dict[str, object]:
    return {
        "name": f"refuses: {check.name}",
        "ok": check.held or check.accepted,
        "detail": check.detail,
        "advice": check.hint or None,
    }
