"""Counts the starts of sandboxes, and how long an attempt waited for its agent after its claim was granted."""

import time
from functools import cache

from prometheus_client import Histogram

from agent_runner.modes.port import Attempt
from penstock.contracts.agent import Reuse
from penstock.telemetry import metrics


def count_sandbox(tier: str, reuse: Reuse) -> None:
    metrics.RUNNER_SANDBOX_STARTS.labels(tier, reuse.value).inc()


def count_start(attempt: Attempt) -> None:
    """The agent has it now: its process runs, or the worker that has loaded it got the order."""
    _seconds(attempt.manifest.reuse).observe(time.monotonic() - attempt.granted_at)


@cache
def _seconds(reuse: Reuse) -> Histogram:
    found: Histogram = metrics.RUNNER_CLAIM_TO_START_SECONDS.labels(reuse.value)
    return found
