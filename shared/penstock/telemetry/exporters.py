"""Which service exports which metric. All are declared in one file, and a gauge that nobody sets would show 0:
a runner must not say that the database is down.
"""

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from penstock.telemetry import metrics

ORCHESTRATOR = "orchestrator"
RUNNER = "agent-runner"
NOTIFIER = "notifier"
SERVICES = (ORCHESTRATOR, RUNNER, NOTIFIER)

_BY_PREFIX = {  # of the name in metrics.py; the first that fits counts
    "TARGET": SERVICES,
    "HTTP_": SERVICES,
    "BUS_UP": SERVICES,
    "SPANS": SERVICES,
    "RUNNER_": (RUNNER,),
    "LLM_": (RUNNER,),
    "ALERT": (NOTIFIER,),
    "DELIVER": (NOTIFIER,),
    "ENDPOINTS_": (NOTIFIER,),
    "DEAD_LETTERS": (ORCHESTRATOR, NOTIFIER),
    "DATABASE_": (ORCHESTRATOR, NOTIFIER),
    "": (ORCHESTRATOR,),
}


def exporters_of(constant: str) -> tuple[str, ...]:
    """The services that export the metric of this name in metrics.py."""
    return next(services for prefix, services in _BY_PREFIX.items() if constant.startswith(prefix))


def export_only(service: str) -> None:
    """Take what other services export off this process's page. Once, at the start."""
    for constant, metric in vars(metrics).items():
        if isinstance(metric, MetricWrapperBase) and service not in exporters_of(constant):
            REGISTRY.unregister(metric)
