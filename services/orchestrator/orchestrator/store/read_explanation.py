"""What an explanation needs besides the run: the runners that are alive, and how busy each of them is."""

from datetime import datetime

from sqlalchemy import func, select

from orchestrator.domain.explain import Explanation, NodeFacts, RunFacts, RunnerFacts, explain
from orchestrator.domain.explain_held import HeldFacts
from orchestrator.domain.run import NodeState, RunState
from orchestrator.engine.views import NodeView, RunView
from orchestrator.store.composed import Database
from orchestrator.store.read_agents import ALIVE, RUNNERS_MAX, offers_of
from orchestrator.store.read_breakers import read_held
from orchestrator.store.tables import node, runner


async def explain_run(database: Database, view: RunView, *, cancel_reason: str | None) -> Explanation:
    now, runners = await _living_runners(database)
    held = await read_held(database, view.project, view.id)
    return explain(
        RunFacts(id=view.id, state=RunState(view.state), failure=view.failure, cancel_reason=cancel_reason),
        nodes=[_facts_of(node, held.get(node.name)) for node in view.nodes],
        runners=runners,
        now=now,
    )


async def _living_runners(database: Database) -> tuple[datetime, list[RunnerFacts]]:
    """With the database's moment, for its clock has dated everything else too."""
    held = select(node.c.runner, func.count().label("held")).where(node.c.token.is_not(None))
    by_runner = held.group_by(node.c.runner).subquery()
    rows = await database.rows(
        select(runner.c.id, runner.c.pool, runner.c.slots, runner.c.agents, by_runner.c.held)
        .join_from(runner, by_runner, runner.c.id == by_runner.c.runner, isouter=True)
        .where(ALIVE)
        .limit(RUNNERS_MAX)
    )
    moment = await database.row(select(func.now().label("now")))
    assert moment is not None
    return moment.now, [
        RunnerFacts(
            id=row.id,
            pool=row.pool,
            slots=row.slots,
            held=row.held or 0,
            agents={offer.name: offer.error for offer in offers_of(row.agents)},
        )
        for row in rows
    ]


def _facts_of(view: NodeView, held: HeldFacts | None) -> NodeFacts:
    fields = {name: getattr(view, name) for name in NodeFacts.__struct_fields__ if name != "held"}
    return NodeFacts(**fields | {"state": NodeState(view.state), "held": held})
