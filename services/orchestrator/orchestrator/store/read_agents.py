"""Reads of who works: the agents that runners offer, and the runners."""

from collections.abc import Iterable
from itertools import groupby

import msgspec
from sqlalchemy import func, select

from orchestrator.engine.views import AgentsView, AgentVersion, AgentView, Refusal, RunnerView
from orchestrator.store.composed import Database
from orchestrator.store.runners import RUNNER_ALIVE
from orchestrator.store.tables import runner
from penstock.contracts.agent import AgentOffer
from penstock.contracts.errors import NotFound
from penstock.definition.agents_offered import Offered, Offers
from penstock.telemetry.operations import measured

RUNNERS_MAX = 1_000  # the latest seen; those that left long before are of no interest

ALIVE = runner.c.left_at.is_(None) & (runner.c.seen_at > func.now() - RUNNER_ALIVE)

_offers = msgspec.json.Decoder(tuple[AgentOffer, ...])


@measured
async def read_agents(database: Database) -> AgentsView:
    """Agents by name and version with the runners that are alive; also agents whose runners are gone."""
    columns = (runner.c.id, runner.c.pool, runner.c.host, runner.c.slots, runner.c.tier, runner.c.seen_at)
    rows = await database.rows(
        select(*columns, ALIVE.label("alive"), runner.c.agents)
        .order_by(runner.c.seen_at.desc(), runner.c.id)
        .limit(RUNNERS_MAX)
    )
    runners = tuple(
        RunnerView(row.id, row.pool, row.host, row.slots, row.tier, row.seen_at, row.alive) for row in rows
    )
    offers = (
        (view, offer) for view, row in zip(runners, rows, strict=True) for offer in offers_of(row.agents)
    )
    return AgentsView(items=_agents(offers), runners=runners)


def offers_of(agents: bytes) -> tuple[AgentOffer, ...]:
    return _offers.decode(agents)


def _agents(offers: Iterable[tuple[RunnerView, AgentOffer]]) -> tuple[AgentView, ...]:
    by_name = sorted(offers, key=lambda pair: (pair[1].name, pair[1].version))
    return tuple(_agent(name, list(pairs)) for name, pairs in groupby(by_name, key=lambda pair: pair[1].name))


def _agent(name: str, pairs: list[tuple[RunnerView, AgentOffer]]) -> AgentView:
    versions = tuple(
        _version(version, list(same)) for version, same in groupby(pairs, key=lambda pair: pair[1].version)
    )
    pools = [pool for version in versions for pool in version.pools]
    return AgentView(
        name=name,
        description=pairs[-1][1].description,
        versions=versions,
        mixed=len(pools) > len(set(pools)),
    )


def _version(version: str, pairs: list[tuple[RunnerView, AgentOffer]]) -> AgentVersion:
    """The sort is stable: the first pair is of the runner that was seen last."""
    alive = [pair for pair in pairs if pair[0].alive]
    able = [pair for pair in alive if pair[1].error is None]
    _, offer = (able or alive or pairs)[0]
    return AgentVersion(
        version=version,
        reuse=offer.reuse,
        input=offer.input,
        output=offer.output,
        error=offer.error,
        runners=tuple(runner.id for runner, _ in able),
        refusals=tuple(Refusal(runner.id, offer.error) for runner, offer in alive if offer.error is not None),
        pools=tuple(sorted({runner.pool for runner, _ in able})),
        secrets=offer.secrets,
        models=offer.models,
        stores=offer.stores,
        network=offer.network,
        differs=any((other.input, other.output) != (offer.input, offer.output) for _, other in able),
    )


@measured
async def read_agent(database: Database, name: str) -> AgentView:
    """Raises NotFound with the nearest name."""
    agents = (await read_agents(database)).items
    for agent in agents:
        if agent.name == name:
            return agent
    raise NotFound("agent", name, tuple(agent.name for agent in agents))


@measured
async def read_offers(database: Database) -> Offers | None:
    """What runners that are alive offer, by agent; None when there are none."""
    living = select(runner.c.pool, runner.c.agents).where(ALIVE).order_by(runner.c.id).limit(RUNNERS_MAX)
    rows = await database.rows(living)
    found: dict[str, list[Offered]] = {}
    for row in rows:
        for offer in offers_of(row.agents):
            found.setdefault(offer.name, []).append(
                Offered(row.pool, offer.input, offer.error, offer.version)
            )
    return found if rows else None
