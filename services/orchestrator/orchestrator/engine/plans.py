"""Plans of workflow versions, made once and kept: versions never change."""

from collections import OrderedDict

import asyncpg

from orchestrator.domain.plan import Plan, make_plan
from orchestrator.store.load import load_definition
from penstock.contracts.errors import NotFound
from penstock.contracts.wire import decode
from penstock.contracts.workflow import Json
from penstock.definition import from_document

PLANS_MAX = 256

Key = tuple[str, str, int]


class Plans:
    """(project, workflow, version) → plan."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._plans: OrderedDict[Key, Plan] = OrderedDict()

    async def get(self, *, project: str, workflow: str, version: int) -> Plan:
        """Raises NotFound."""
        key = (project, workflow, version)
        plan = self._plans.get(key)
        if plan is None:
            plan = await self._load(key)
            self._plans[key] = plan
            if len(self._plans) > PLANS_MAX:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(key)
        return plan

    async def plan_of(self, project: str, workflow: str, version: int) -> Plan:
        """The same, by position."""
        return await self.get(project=project, workflow=workflow, version=version)

    async def _load(self, key: Key) -> Plan:
        project, workflow, version = key
        source = await load_definition(self._pool, project=project, name=workflow, version=version)
        if source is None:
            raise NotFound("workflow version", f"{workflow} {version}")
        document: Json = decode(source.encode(), object)
        return make_plan(from_document(document), version=version)
