"""The time series of workflows and their agents, found once: to look up labels costs more than to count.

Names come from authors, so all of them pass `Bounded`; what is beyond the bound shares one series.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from prometheus_client import Counter, Histogram

from penstock.telemetry import metrics
from penstock.telemetry.labels import OTHER, Bounded

AGENTS_MAX = 1_000  # (project, workflow, agent) that have series of their own: each is about twenty of them
MODELS_MAX = 1_000  # (project, workflow, model)

K = TypeVar("K")
V = TypeVar("V")


class _Found(Generic[K, V]):
    """Remembers what `make` made for a key."""

    __slots__ = ("_known", "_make")

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._known: dict[K, V] = {}

    def __call__(self, key: K) -> V:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._make(key)
        return found


class AgentSeries:
    """Of one agent in one workflow."""

    def __init__(self, project: str, workflow: str, agent: str) -> None:
        names = (project, workflow, agent)
        self.seconds: Histogram = metrics.NODE_SECONDS.labels(*names)
        self.execution: Counter = metrics.EXECUTION_SECONDS.labels(*names)
        self.ended = _Found[str, Counter](lambda outcome: metrics.NODES_ENDED.labels(*names, outcome))
        self.attempts = _Found[str, Counter](lambda outcome: metrics.ATTEMPTS.labels(*names, outcome))


class ModelSeries:
    """Of one model in one workflow."""

    def __init__(self, project: str, workflow: str, model: str) -> None:
        self.tokens_in: Counter = metrics.TOKENS.labels(project, workflow, model, "in")
        self.tokens_out: Counter = metrics.TOKENS.labels(project, workflow, model, "out")
        self.unknown: Counter = metrics.COST_UNKNOWN.labels(project, workflow, model)


class WorkflowSeries:
    """Of one workflow. `names` are its labels, not always its names."""

    def __init__(self, names: tuple[str, str], agents: Bounded, models: Bounded) -> None:
        project, workflow = names
        self.names = names
        self._agents, self._models = agents, models
        self._by_agent: dict[str, AgentSeries] = {}
        self._by_model: dict[str, ModelSeries] = {}
        self.started: Counter = metrics.RUNS_STARTED.labels(project, workflow)
        self.ended = _Found[str, Counter](lambda outcome: metrics.RUNS_ENDED.labels(*names, outcome))
        self.seconds = _Found[str, Histogram](lambda outcome: metrics.RUN_SECONDS.labels(*names, outcome))
        self.retries = _Found[str, Counter](lambda error_class: metrics.RETRIES.labels(*names, error_class))
        self.undone = _Found[str, Counter](lambda outcome: metrics.COMPENSATIONS.labels(*names, outcome))
        self.dollars = _Found[str, Counter](lambda kind: metrics.COST_DOLLARS.labels(*names, kind))

    def agent(self, name: str) -> AgentSeries:
        found = self._by_agent.get(name)
        if found is None:
            label = self._agents(*self.names, name)[2]
            found = self._by_agent.get(label) or AgentSeries(*self.names, label)
            self._by_agent[label] = found
        return found

    def model(self, name: str) -> ModelSeries:
        found = self._by_model.get(name)
        if found is None:
            label = self._models(*self.names, name)[2]
            found = self._by_model.get(label) or ModelSeries(*self.names, label)
            self._by_model[label] = found
        return found


class Series:
    """All of them. `on_project` hears of each project that has series of its own, once."""

    def __init__(self, *, on_project: Callable[[str], None] = lambda _: None) -> None:
        self._on_project = on_project
        self._workflow_names, self._pool_names = Bounded(), Bounded()
        self._agent_names, self._model_names = (
            Bounded(values_max=AGENTS_MAX),
            Bounded(values_max=MODELS_MAX),
        )
        self._workflows: dict[tuple[str, str], WorkflowSeries] = {}
        self._waits: dict[tuple[str, str], Histogram] = {}
        self._projects: set[str] = set()

    def workflow(self, project: str, workflow: str) -> WorkflowSeries:
        found = self._workflows.get((project, workflow))
        return found if found is not None else self._begin(project, workflow)

    def wait(self, project: str, pool: str) -> Histogram:
        """The queue wait of a pool."""
        found = self._waits.get((project, pool))
        if found is None:
            project, pool = self._pool_names(project, pool)
            found = self._waits[project, pool] = metrics.QUEUE_WAIT_SECONDS.labels(project, pool)
        return found

    def lapsed(self, project: str, pool: str) -> Counter:
        """The lapsed leases of a pool."""
        counter: Counter = metrics.LEASES_LAPSED.labels(self._pool_names(project, pool)[1])
        return counter

    def _begin(self, project: str, workflow: str) -> WorkflowSeries:
        project, workflow = self._workflow_names(project, workflow)
        names = (project, workflow)
        found = self._workflows.get(names)
        if found is None:
            found = self._workflows[names] = WorkflowSeries(names, self._agent_names, self._model_names)
        if project not in self._projects and project != OTHER:
            self._projects.add(project)
            self._on_project(project)
        return found
