"""From which state to which: every step that a unit or a run can take, and why. Asserted at each step."""

from collections.abc import Mapping

from orchestrator.domain.node import NodeState
from orchestrator.domain.run import RunState

_N = NodeState
_R = RunState

NODE_STEPS: Mapping[tuple[NodeState, NodeState], str] = {
    (_N.WAITING, _N.READY): "all needs ended, run_if and if agree",
    (_N.WAITING, _N.RUNNING): "its items or its sub-workflow begin",
    (_N.WAITING, _N.SUSPENDED): "it waits for a moment, an event, a person or the cache",
    (_N.WAITING, _N.SUCCEEDED): "a `foreach` over nothing",
    (_N.WAITING, _N.SKIPPED): "run_if or if is against it",
    (_N.WAITING, _N.FAILED): "an expression failed",
    (_N.WAITING, _N.CANCELLED): "the run stops or is cancelled",
    (_N.READY, _N.RUNNING): "claimed by a runner",
    (_N.READY, _N.SUSPENDED): "a breaker is against the claim",
    (_N.READY, _N.CANCELLED): "the run stops or is cancelled",
    (
        _N.SUSPENDED,
        _N.READY,
    ): "the cache knows nothing; the breaker is asked again; or its agent has its answer",
    (_N.SUSPENDED, _N.SUCCEEDED): "what it waited for came",
    (_N.SUSPENDED, _N.SKIPPED): "it waited in vain: on_timeout",
    (_N.SUSPENDED, _N.FAILED): "it waited in vain, or the answer was no",
    (_N.SUSPENDED, _N.CANCELLED): "the run stops or is cancelled",
    (_N.RUNNING, _N.SUCCEEDED): "result",
    (_N.RUNNING, _N.BACKOFF): "failed or lapsed, worth a retry",
    (_N.RUNNING, _N.FAILED): "failed or lapsed for good",
    (_N.RUNNING, _N.READY): "given back by the runner; or `repeat` wants it again",
    (_N.RUNNING, _N.SUSPENDED): "its agent asks a person; or `repeat` wants it again, and the cache is asked",
    (_N.RUNNING, _N.CANCELLED): "failed, lapsed or given back when nothing may start",
    (_N.BACKOFF, _N.READY): "the retry is due",
    (_N.BACKOFF, _N.RUNNING): "the retry of a sub-workflow is due",
    (_N.BACKOFF, _N.CANCELLED): "the run stops or is cancelled",
    (_N.FAILED, _N.WAITING): "the run, or the undoing, is retried",
    (_N.CANCELLED, _N.WAITING): "the run is retried",
    (_N.SKIPPED, _N.WAITING): "the run is retried, and what it needs with it",
    (_N.SUCCEEDED, _N.COMPENSATING): "its undoing begins",
    (_N.COMPENSATING, _N.COMPENSATED): "its undoing succeeded",
    (_N.COMPENSATING, _N.COMPENSATION_FAILED): "its undoing failed for good",
    (_N.COMPENSATION_FAILED, _N.COMPENSATING): "a person has it tried again",
}

RUN_STEPS: Mapping[tuple[RunState, RunState], str] = {
    (_R.QUEUED, _R.RUNNING): "it has a slot of its concurrency key",
    (_R.QUEUED, _R.CANCELLING): "a person cancels",
    (_R.RUNNING, _R.SUCCEEDED): "every node ended, none failed",
    (_R.RUNNING, _R.FAILED): "every node ended, one failed; or the output did",
    (_R.RUNNING, _R.CANCELLING): "a person cancels, or the deadline passes",
    (_R.RUNNING, _R.PAUSED): "a person pauses, or a node failed with `on_failure: pause`",
    (_R.RUNNING, _R.COMPENSATING): "every node ended, one failed with `on_failure: compensate`",
    (_R.PAUSED, _R.RUNNING): "a person resumes or retries",
    (_R.PAUSED, _R.CANCELLING): "a person cancels",
    (_R.PAUSED, _R.COMPENSATING): "a person retries or skips a step of the undoing",
    (_R.CANCELLING, _R.CANCELLED): "nothing runs any more",
    (_R.CANCELLING, _R.FAILED): "nothing runs any more, it was the deadline",
    (_R.CANCELLING, _R.COMPENSATING): "nothing runs any more, and `on_failure: compensate`",
    (_R.COMPENSATING, _R.COMPENSATED): "every step is undone",
    (_R.COMPENSATING, _R.PAUSED): "a step of the undoing failed for good",
    (_R.SUCCEEDED, _R.COMPENSATING): "a person asks for it",
    (_R.FAILED, _R.COMPENSATING): "a person asks for it",
    (_R.CANCELLED, _R.COMPENSATING): "a person asks for it",
    (_R.FAILED, _R.QUEUED): "a person retries, and its concurrency key has a limit",
    (_R.CANCELLED, _R.QUEUED): "a person retries, and its concurrency key has a limit",
    (_R.FAILED, _R.RUNNING): "a person retries",
    (_R.CANCELLED, _R.RUNNING): "a person retries",
}
