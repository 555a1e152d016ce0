"""Why nobody has taken a ready node yet: what its pool's runners offer, and whether they have room."""

from collections.abc import Sequence
from datetime import datetime

from orchestrator.domain.explain_facts import Reason, RunnerFacts
from penstock.contracts.names import nearest


def why_unclaimed(
    *, agent: str, pool: str, publication: int, ready_at: datetime | None, runners: Sequence[RunnerFacts]
) -> Reason:
    """The first thing that stands in the way, as a sentence and a reason."""
    in_pool = [runner for runner in runners if runner.pool == pool]
    if not in_pool:
        return _nobody_in_pool(pool, runners)
    offering = [runner for runner in in_pool if agent in runner.agents]
    if not offering:
        return _nobody_offers(agent, pool, in_pool)
    working = [runner for runner in offering if runner.agents[agent] is None]
    if not working:
        return _broken(agent, pool, offering[0])
    if all(runner.held >= runner.slots for runner in working):
        return _busy(agent, pool, working)
    again = f", for the {publication}th time" if publication > 3 else ""
    sentence = f"is ready{again} and being offered to {len(working)} runners of pool '{pool}'"
    return sentence, {"code": "being_offered", "publication": publication, "ready_at": ready_at}


def _nobody_in_pool(pool: str, runners: Sequence[RunnerFacts]) -> Reason:
    pools = sorted({runner.pool for runner in runners})
    others = f"; there are runners of {', '.join(repr(name) for name in pools)}" if pools else ""
    sentence = f"no runner of pool '{pool}' is there{others}: start one"
    return sentence, {"code": "no_runner_in_pool", "pool": pool, "pools": pools}


def _nobody_offers(agent: str, pool: str, runners: Sequence[RunnerFacts]) -> Reason:
    match = nearest(agent, sorted({name for runner in runners for name in runner.agents}))
    hint = f"; did you mean '{match}'?" if match else ""
    sentence = f"no runner of pool '{pool}' offers agent '{agent}'{hint}"
    return sentence, {"code": "no_runner_with_agent", "pool": pool, "agent": agent, "nearest": match}


def _broken(agent: str, pool: str, runner: RunnerFacts) -> Reason:
    error = runner.agents[agent]
    sentence = f"agent '{agent}' cannot be run on runner '{runner.id}': {error}"
    data = {"pool": pool, "agent": agent, "runner": runner.id, "error": error}
    return sentence, {"code": "agent_broken", **data}


def _busy(agent: str, pool: str, runners: Sequence[RunnerFacts]) -> Reason:
    slots = sum(runner.slots for runner in runners)
    sentence = f"all {slots} slots of the {len(runners)} runners that offer agent '{agent}' are taken"
    data = {"pool": pool, "agent": agent, "runners": [runner.id for runner in runners], "slots": slots}
    return sentence, {"code": "runners_busy", **data}
