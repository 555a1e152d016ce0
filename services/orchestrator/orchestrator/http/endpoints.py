"""Every endpoint there is, in the order of the OpenAPI page."""

from dataclasses import dataclass

from orchestrator.domain.explanation.explain import Explanation
from orchestrator.engine.statistics_views import Statistics
from orchestrator.engine.unit_views import ItemView
from orchestrator.engine.views import (
    AgentsView,
    AgentView,
    EventPage,
    LogPage,
    NodeDetail,
    Page,
    RunSummary,
    RunView,
    WorkflowSummary,
    WorkflowView,
)
from orchestrator.http.artifacts import ArtifactDoor, artifact_endpoints
from orchestrator.http.breakers import BreakerDoor, breaker_endpoints
from orchestrator.http.budgets import BudgetDoor, budget_endpoints
from orchestrator.http.control import ControlDoor
from orchestrator.http.control_endpoints import control_endpoints
from orchestrator.http.forking import ForkDoor, fork_endpoints
from orchestrator.http.inbox import InboxDoor, inbox_endpoints
from orchestrator.http.limits import LimitDoor, limit_endpoints
from orchestrator.http.operations import OperationsDoor, StatisticsQuery
from orchestrator.http.pausing import PausingDoor, pausing_endpoints
from orchestrator.http.retention import RetentionDoor, retention_endpoints
from orchestrator.http.runs import RunDoor, RunQuery, RunsQuery
from orchestrator.http.schedules import ScheduleDoor, schedule_endpoints
from orchestrator.http.starting import StartDoor, StartRunBody
from orchestrator.http.stores import StoreDoor, store_endpoints
from orchestrator.http.timeline import EventsQuery, ItemsQuery, LogsQuery, TimelineDoor
from orchestrator.http.versions import VersionDoor, version_endpoints
from orchestrator.http.workflows import JSON, YAML, Validation, WorkflowDoor, WorkflowsQuery
from penstock.http.endpoint import Answer, Body, Endpoint, Handle
from penstock.http.readiness import HealthDoor, health_endpoints

_DEFINITION_EXAMPLE = """\
name: greet
inputs: {type: object, required: [name], properties: {name: {type: string}}}
nodes:
  hello: {agent: greeter, with: {name: "${{ inputs.name }}"}}
output: {text: "${{ nodes.hello.output.text }}"}
"""
_DEFINITION = Body(
    {"type": "string", "description": "A definition; its schema is at /api/v1/schemas/workflow"},
    media_types=(YAML[0], *JSON),
    example=_DEFINITION_EXAMPLE,
)
_START_EXAMPLE = {
    "workflow": "greet",
    "input": {"name": "Ada"},
    "idempotency_key": "order-4711",
    "labels": {"team": "platform"},
}


@dataclass(frozen=True)
class Doors:
    """Who answers."""

    workflows: WorkflowDoor
    versions: VersionDoor
    starting: StartDoor
    runs: RunDoor
    control: ControlDoor
    forking: ForkDoor
    schedules: ScheduleDoor
    timeline: TimelineDoor
    artifacts: ArtifactDoor
    inbox: InboxDoor
    operations: OperationsDoor
    health: HealthDoor
    limits: LimitDoor
    breakers: BreakerDoor
    budgets: BudgetDoor
    pausing: PausingDoor
    retention: RetentionDoor
    stores: StoreDoor


def endpoints_of(doors: Doors) -> tuple[Endpoint, ...]:
    return (
        *_workflow_endpoints(doors.workflows),
        *version_endpoints(doors.versions),
        *pausing_endpoints(doors.pausing),
        *_run_endpoints(doors.starting, doors.runs),
        *control_endpoints(doors.control),
        *fork_endpoints(doors.forking),
        *_timeline_endpoints(doors.timeline),
        *artifact_endpoints(doors.artifacts),
        *breaker_endpoints(doors.breakers),
        *budget_endpoints(doors.budgets),
        *schedule_endpoints(doors.schedules),
        *inbox_endpoints(doors.inbox),
        *retention_endpoints(doors.retention),
        *store_endpoints(doors.stores),
        *_operation_endpoints(doors.operations, doors.workflows),
        *health_endpoints(doors.health),
        *limit_endpoints(doors.limits),
    )


def _workflow_endpoints(door: WorkflowDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/api/v1/workflows",
            door.save,
            "save_workflow",
            "Save a definition",
            {
                201: Answer("A new version", WorkflowView),
                200: Answer("Unchanged: no new version", WorkflowView),
            },
            "A changed definition becomes the next version. Runs keep the version they were started with.",
            body=_DEFINITION,
        ),
        Endpoint(
            "POST",
            "/api/v1/workflows/validate",
            door.validate,
            "validate_workflow",
            "Check a definition",
            {200: Answer("What was found", Validation)},
            "Lists all problems at once, each with its line, and when its schedules would tick. Nothing is saved.",
            body=_DEFINITION,
        ),
        Endpoint(
            "GET",
            "/api/v1/workflows",
            door.list,
            "list_workflows",
            "List workflows by name",
            {200: Answer("Their latest versions, without definitions", Page[WorkflowSummary])},
            query=WorkflowsQuery,
        ),
        _workflow("GET", "", door.get, "get_workflow", "The latest version"),
        _workflow("GET", "/versions/{version}", door.version, "get_workflow_version", "One version"),
        _workflow("POST", "/activate", door.activate, "activate_workflow", "Allow new runs"),
        _workflow("POST", "/deactivate", door.deactivate, "deactivate_workflow", "Refuse new runs"),
    )


def _workflow(method: str, tail: str, handle: Handle, name: str, summary: str) -> Endpoint:
    answers = {200: Answer("The workflow", WorkflowView)}
    return Endpoint(method, f"/api/v1/workflows/{{name}}{tail}", handle, name, summary, answers)


def _run_endpoints(starting: StartDoor, door: RunDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/api/v1/runs",
            starting.start,
            "start_run",
            "Start a run",
            {
                201: Answer("It was committed and goes on whatever dies", RunSummary),
                200: Answer("The same key and body started this run before", RunSummary),
            },
            "With an `idempotency_key` the same request can be repeated safely: it starts one run.",
            body=Body(StartRunBody, example=_START_EXAMPLE),
            is_rated=True,
            conflicts="The key has started a run with another body, or the workflow is not active",
        ),
        Endpoint(
            "GET",
            "/api/v1/runs",
            door.list,
            "list_runs",
            "List runs, newest first",
            {200: Answer("Runs without input, output and nodes", Page[RunSummary])},
            "`state` and `label` (key:value) may be repeated: any of the states, all of the labels.",
            query=RunsQuery,
        ),
        Endpoint(
            "GET",
            "/api/v1/runs/{run_id}",
            door.get,
            "get_run",
            "One run with its nodes; can wait for it",
            {200: Answer("The run as it is committed", RunView)},
            "`wait` (seconds): answer when the run has ended, or with `after` as soon as its seq is greater,"
            " or when the time is over. An output too large for this view is left out (`output_bytes`"
            " tells its size); the node's own page has it.",
            query=RunQuery,
        ),
    )


def _timeline_endpoints(door: TimelineDoor) -> tuple[Endpoint, ...]:
    run = "/api/v1/runs/{run_id}"
    return (
        Endpoint(
            "GET",
            f"{run}/events",
            door.events,
            "list_events",
            "The run's timeline, oldest first",
            {200: Answer("Events; `next` is null once the run has ended and all is read", EventPage)},
            "Events with a greater seq than `after`; with `wait` (seconds) as soon as there is one.",
            query=EventsQuery,
        ),
        Endpoint(
            "GET",
            f"{run}/nodes/{{node}}",
            door.node,
            "get_node",
            "One node with its input, output and attempts",
            {200: Answer("The node", NodeDetail)},
        ),
        Endpoint(
            "GET",
            f"{run}/nodes/{{node}}/items",
            door.items,
            "list_items",
            "The items of a node with `foreach`, in order",
            {200: Answer("Items that have begun; the node's view counts them all", Page[ItemView])},
            "The page of one item is that of node `patch[17]`, that of its undoing `patch[17]:undo`.",
            query=ItemsQuery,
        ),
        Endpoint(
            "GET",
            f"{run}/nodes/{{node}}/logs",
            door.logs,
            "list_log_lines",
            "What the node's agent wrote to its log",
            {200: Answer("Lines; `next` is null when there are no more now", LogPage)},
            "Lines beyond number `after` of `attempt`, or of the latest attempt that wrote any.",
            query=LogsQuery,
        ),
        Endpoint(
            "GET",
            f"{run}/explain",
            door.explain,
            "explain_run",
            "Why each unfinished node is not running",
            {200: Answer("A sentence for the run and for each unfinished node", Explanation)},
        ),
    )


def _operation_endpoints(door: OperationsDoor, workflows: WorkflowDoor) -> tuple[Endpoint, ...]:
    schema = Answer("A JSON Schema", media_type="application/schema+json")
    figures = Answer("Counts, success rate, mean and percentiles", Statistics)
    return (
        _read(
            "/api/v1/agents",
            door.agents,
            "list_agents",
            "Agents that runners offer",
            Answer("Both", AgentsView),
        ),
        _read(
            "/api/v1/agents/{name}",
            door.agent,
            "get_agent",
            "An agent, in all versions on offer",
            Answer("What it takes, gives and may reach, and who runs it", AgentView),
        ),
        Endpoint(
            "GET",
            "/api/v1/statistics",
            door.statistics,
            "get_statistics",
            "Figures of runs, workflows and nodes",
            {200: figures},
            query=StatisticsQuery,
        ),
        _read(
            "/api/v1/schemas/workflow",
            workflows.schema,
            "get_workflow_schema",
            "The schema of a definition",
            schema,
        ),
    )


def _read(path: str, handle: Handle, name: str, summary: str, answer: Answer) -> Endpoint:
    return Endpoint("GET", path, handle, name, summary, {200: answer})
