"""Door 1: someone asks. The HTTP application, put together from its parts; it holds nothing global."""

import msgspec
from fastapi import FastAPI

from orchestrator.engine.artifact_port import Artifacts
from orchestrator.engine.breaker_port import Breakers
from orchestrator.engine.budget_views import Budgets
from orchestrator.engine.inbox_port import InboundQueries, Inbox
from orchestrator.engine.keeping import Keeping
from orchestrator.engine.limits import Limits
from orchestrator.engine.live_port import Live
from orchestrator.engine.port import Engine, Queries, Registry, Schedules, WorkflowPauses
from orchestrator.engine.start_rate import StartRate
from orchestrator.engine.store_port import Stores
from orchestrator.http.artifacts import ArtifactDoor
from orchestrator.http.breakers import BreakerDoor
from orchestrator.http.budgets import BudgetDoor
from orchestrator.http.control import ControlDoor
from orchestrator.http.endpoints import Doors, endpoints_of
from orchestrator.http.forking import ForkDoor
from orchestrator.http.inbox import InboxDoor
from orchestrator.http.limits import LimitDoor
from orchestrator.http.live import LiveDoor
from orchestrator.http.operations import OperationsDoor
from orchestrator.http.page import PAGE
from orchestrator.http.pausing import PausingDoor
from orchestrator.http.retention import RetentionDoor
from orchestrator.http.runs import RunDoor
from orchestrator.http.schedules import ScheduleDoor
from orchestrator.http.starting import StartDoor
from orchestrator.http.stores import StoreDoor
from orchestrator.http.timeline import TimelineDoor
from orchestrator.http.versions import VersionDoor
from orchestrator.http.workflows import WorkflowDoor
from penstock.contracts.limits import ARTIFACT_BYTES_MAX
from penstock.http.app import build_app
from penstock.http.readiness import HealthDoor, Readiness
from penstock.telemetry.tracing import OFF, Tracing


class HttpSettings(msgspec.Struct, frozen=True):
    """What may differ from place to place."""

    artifact_bytes_max: int = ARTIFACT_BYTES_MAX


def create_app(
    *,
    engine: Engine,
    queries: Queries,
    registry: Registry,
    schedules: Schedules,
    artifacts: Artifacts,
    breakers: Breakers,
    budgets: Budgets,
    pauses: WorkflowPauses,
    inbox: Inbox,
    inbound: InboundQueries,
    keeping: Keeping,
    readiness: Readiness,
    limits: Limits,
    start_rate: StartRate,
    stores: Stores,
    live: Live,
    settings: HttpSettings,
    tracing: Tracing = OFF,
) -> FastAPI:
    """The application; `readiness` answers every dependency with its state."""
    endpoints = endpoints_of(
        Doors(
            workflows=WorkflowDoor(registry, schedules),
            versions=VersionDoor(registry),
            starting=StartDoor(engine, queries, registry, start_rate),
            runs=RunDoor(engine, queries),
            control=ControlDoor(engine, queries),
            forking=ForkDoor(engine, queries, registry, start_rate),
            schedules=ScheduleDoor(schedules, queries),
            timeline=TimelineDoor(engine, queries),
            artifacts=ArtifactDoor(artifacts, bytes_max=settings.artifact_bytes_max),
            inbox=InboxDoor(inbox, inbound),
            operations=OperationsDoor(queries),
            health=HealthDoor(readiness),
            limits=LimitDoor(limits),
            breakers=BreakerDoor(breakers, queries),
            budgets=BudgetDoor(budgets),
            pausing=PausingDoor(pauses, registry),
            retention=RetentionDoor(keeping),
            stores=StoreDoor(stores),
        )
    )
    return build_app(endpoints, PAGE, tracing, sockets=LiveDoor(live).routes)
