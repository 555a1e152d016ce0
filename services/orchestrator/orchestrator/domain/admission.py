"""Whether a claim would be granted as far as its run is concerned: only then is anybody else asked about it."""

from orchestrator.domain.events import AttemptClaimed
from orchestrator.domain.refusals import why_refused
from orchestrator.domain.run import Run
from orchestrator.domain.timely import is_timely, speaks_of_current


def may_claim(run: Run, event: AttemptClaimed) -> bool:
    node = run.nodes.get(event.node)
    if node is None or not speaks_of_current(node, event):
        return False
    return is_timely(run, node, event) and why_refused(run, event) is None
