"""From which state to which: every step that a node or a run can take, and why. Asserted at each step."""

from collections.abc import Mapping

from orchestrator.domain.node import NodeState
from orchestrator.domain.run import RunState

NODE_STEPS: Mapping[tuple[NodeState, NodeState], str] = {
    (NodeState.WAITING, NodeState.READY): "all needs ended, run_if and if agree",
    (NodeState.WAITING, NodeState.SKIPPED): "run_if or if is against it",
    (NodeState.WAITING, NodeState.FAILED): "an expression failed",
    (NodeState.WAITING, NodeState.CANCELLED): "the run stops or is cancelled",
    (NodeState.READY, NodeState.RUNNING): "claimed by a runner",
    (NodeState.READY, NodeState.CANCELLED): "the run stops or is cancelled",
    (NodeState.RUNNING, NodeState.SUCCEEDED): "result",
    (NodeState.RUNNING, NodeState.BACKOFF): "failed or lapsed, worth a retry",
    (NodeState.RUNNING, NodeState.FAILED): "failed or lapsed for good",
    (NodeState.RUNNING, NodeState.READY): "given back by the runner",
    (NodeState.RUNNING, NodeState.CANCELLED): "failed, lapsed or given back when nothing may start",
    (NodeState.BACKOFF, NodeState.READY): "the retry is due",
    (NodeState.BACKOFF, NodeState.CANCELLED): "the run stops or is cancelled",
    (NodeState.FAILED, NodeState.WAITING): "the run is retried",
    (NodeState.CANCELLED, NodeState.WAITING): "the run is retried",
    (NodeState.SKIPPED, NodeState.WAITING): "the run is retried, and what it needs with it",
}

RUN_STEPS: Mapping[tuple[RunState, RunState], str] = {
    (RunState.RUNNING, RunState.SUCCEEDED): "every node ended, none failed",
    (RunState.RUNNING, RunState.FAILED): "every node ended, one failed; or the output did",
    (RunState.RUNNING, RunState.CANCELLING): "a person cancels, or the deadline passes",
    (RunState.CANCELLING, RunState.CANCELLED): "nothing runs any more",
    (RunState.CANCELLING, RunState.FAILED): "nothing runs any more, it was the deadline",
    (RunState.FAILED, RunState.RUNNING): "a person retries",
    (RunState.CANCELLED, RunState.RUNNING): "a person retries",
}
