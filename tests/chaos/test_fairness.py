"""Promise R8: a burst of 10,000 runs delays a run of another project by no more than three times its idle latency."""

from pathlib import Path

import pytest

from benchmarks.fairness import measure_fairness
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack

RATIO_MAX = 3.0
TOLERANCE_S = 0.03  # all of it, and the client that measures, share two cores


@pytest.mark.chaos
async def test_a_burst_of_ten_thousand_runs_does_not_starve_one_run_a_second(tmp_path: Path) -> None:
    with Stack(folder=tmp_path, agents=(ROOT / "benchmarks/agents",), slots=8) as stack:
        fair = await measure_fairness(stack.url)
        broken = await broken_invariants(stack.postgres.url())

    assert fair.beside_p50_s <= RATIO_MAX * fair.idle_p50_s + TOLERANCE_S, fair.line()
    assert broken == {}
