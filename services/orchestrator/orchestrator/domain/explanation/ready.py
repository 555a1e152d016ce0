"""Why nobody has taken a ready node yet: what its pool's runners offer, and whether they have room."""

from collections.abc import Sequence
from datetime import datetime

from orchestrator.domain.explanation.facts import LimitFacts, Reason, RunnerFacts
from penstock.contracts.names import nearest
from penstock.contracts.workflow import Json


def why_unclaimed(
    *,
    agent: str,
    pool: str,
    publication: int,
    ready_at: datetime | None,
    runners: Sequence[RunnerFacts],
    limits: Sequence[LimitFacts] = (),
) -> Reason:
    """The first thing that stands in the way, as a sentence and a reason."""
    in_pool = [runner for runner in runners if runner.pool == pool]
    if not in_pool:
        return _nobody_in_pool(pool, runners)
    offering = [runner for runner in in_pool if agent in runner.agents]
    if not offering:
        return _nobody_offers(agent, pool, in_pool, runners)
    working = [runner for runner in offering if runner.agents[agent].error is None]
    if not working:
        return _broken(agent, pool, offering[0])
    for limit in limits:
        if limit.running >= limit.maximum and (limit.scope == "project" or limit.name == pool):
            return _limited(limit)
    if all(runner.held >= runner.slots for runner in working):
        return _busy(agent, pool, working)
    again = f", for the {publication}th time" if publication > 3 else ""
    versions = sorted({runner.agents[agent].version for runner in working})
    mixed = f", which have different versions of '{agent}': {', '.join(versions)}" if versions[1:] else ""
    sentence = f"is ready{again} and being offered to {_counted(working)} of pool '{pool}'{mixed}"
    data: dict[str, Json] = {"publication": publication, "ready_at": ready_at, "versions": list(versions)}
    return sentence, {"code": "being_offered", **data}


def _nobody_in_pool(pool: str, runners: Sequence[RunnerFacts]) -> Reason:
    pools = sorted({runner.pool for runner in runners})
    others = f"; there are runners of {', '.join(repr(name) for name in pools)}" if pools else ""
    sentence = f"no runner of pool '{pool}' is there{others}: start one"
    return sentence, {"code": "no_runner_in_pool", "pool": pool, "pools": pools}


def _nobody_offers(
    agent: str, pool: str, in_pool: Sequence[RunnerFacts], everywhere: Sequence[RunnerFacts]
) -> Reason:
    pools: list[Json] = [*sorted({runner.pool for runner in everywhere if agent in runner.agents})]
    match = None if pools else nearest(agent, sorted({name for runner in in_pool for name in runner.agents}))
    hint = f"; did you mean '{match}'?" if match else ""
    elsewhere = f", only runners of pool {', '.join(map(repr, pools))} do" if pools else ""
    sentence = f"no runner of pool '{pool}' offers agent '{agent}'{elsewhere}{hint}"
    data: dict[str, Json] = {"pool": pool, "agent": agent, "nearest": match, "pools": pools}
    return sentence, {"code": "no_runner_with_agent", **data}


def _broken(agent: str, pool: str, runner: RunnerFacts) -> Reason:
    error = runner.agents[agent].error
    sentence = f"agent '{agent}' cannot be run on runner '{runner.id}': {error}"
    data = {"pool": pool, "agent": agent, "runner": runner.id, "error": error}
    return sentence, {"code": "agent_broken", **data}


def _limited(limit: LimitFacts) -> Reason:
    sentence = f"waits for the limit of {limit.scope} '{limit.name}': {limit.running} of {limit.maximum} attempts run"
    if limit.holders:
        run, node = limit.holders[0]
        more = limit.running - 1
        sentence += f", '{node}' of run {run}" + (f" and {more} more" if more > 0 else "")
    data: dict[str, Json] = {"scope": limit.scope, "name": limit.name}
    data |= {"maximum": limit.maximum, "running": limit.running}
    data["holders"] = [{"run": str(run), "node": node} for run, node in limit.holders]
    return sentence, {"code": "limit_reached", **data}


def _counted(runners: Sequence[RunnerFacts]) -> str:
    return "1 runner" if len(runners) == 1 else f"{len(runners)} runners"


def _busy(agent: str, pool: str, runners: Sequence[RunnerFacts]) -> Reason:
    slots = sum(runner.slots for runner in runners)
    sentence = (
        f"all {slots} slots of {_counted(runners)} that offer agent '{agent}' are taken;"
        " projects take turns, and a project's own work goes by priority and age"
    )
    data = {"pool": pool, "agent": agent, "runners": [runner.id for runner in runners], "slots": slots}
    return sentence, {"code": "runners_busy", **data}
