"""Workflows of mixed shape for the chaos tests."""

from typing import Any

Json = Any


def steady(*needs: str) -> Json:
    given = {name: f"${{{{ nodes.{name}.output.value }}}}" for name in needs}
    return {"agent": "steady", "with": {"value": "${{ inputs.value }}", **given}, "retry": PATIENT}


# Chaos costs attempts; these runs are to end, not to give up.
PATIENT = {"attempts": 50, "delay": "100ms", "max_delay": "1s", "factor": 2, "jitter": 0.25}

CHAIN = {"name": "chaos-chain", "nodes": {f"n{i}": steady(*([f"n{i - 1}"] if i else [])) for i in range(6)}}
FAN = {
    "name": "chaos-fan",
    "nodes": {
        "first": steady(),
        **{f"m{i}": steady("first") for i in range(8)},
        "last": steady(*[f"m{i}" for i in range(8)]),
    },
}
SLOW = {
    "name": "chaos-slow",
    "nodes": {
        "nap": {"agent": "sleeper", "with": {"seconds": "${{ inputs.seconds }}"}, "retry": PATIENT},
        "after": {"needs": ["nap"], **steady()},
    },
}
FLAKY = {
    "name": "chaos-flaky",
    "nodes": {
        "first": {"agent": "flaky", "with": {"value": "${{ inputs.value }}"}, "retry": PATIENT},
        "even": {"if": "${{ inputs.value % 2 == 0 }}", "needs": ["first"], **steady()},
        "always": {"run_if": "all_done", "needs": ["even"], **steady()},
    },
}
SHAPES = (CHAIN, FAN, SLOW, FLAKY)
