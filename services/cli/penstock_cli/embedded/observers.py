"""`penstock up --observe`: Prometheus and Alertmanager beside everything else, and how they find it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock_cli.embedded.alertmanager import Alertmanager
from penstock_cli.embedded.ports import require_free
from penstock_cli.embedded.prometheus import Prometheus
from penstock_cli.errors import StartFailed

PROMETHEUS_PORT_SETTING = "PENSTOCK_UP_PROMETHEUS_PORT"
ALERTMANAGER_PORT_SETTING = "PENSTOCK_UP_ALERTMANAGER_PORT"
NOTIFIER_CONFIG_SETTING = "PENSTOCK_NOTIFIER_CONFIG_FILE"
JOBS = ("orchestrator", "agent-runner", "notifier")


@dataclass(frozen=True, kw_only=True)
class ObserverPorts:
    prometheus: int
    alertmanager: int


class Observers:
    """The two, below one folder. `root` is the checkout, which has the rules and the runbooks."""

    def __init__(
        self, *, folder: Path, logs: Path, ports: ObserverPorts, notifier_url: str, root: Path
    ) -> None:
        self.ports = ports
        self.alertmanager = Alertmanager(
            folder=folder / "alertmanager",
            log=logs / "alertmanager.log",
            port=ports.alertmanager,
            notifier_url=notifier_url,
        )
        self.prometheus = Prometheus(
            folder=folder / "prometheus",
            log=logs / "prometheus.log",
            port=ports.prometheus,
            rules=root / "deploy/prometheus/rules",
            alertmanager_port=ports.alertmanager,
            docs=f"{root.as_uri()}/",
        )

    def require(self) -> None:
        """Both ports are free, and both programs and the rules are here: said before anything starts."""
        require_free(self.ports.prometheus, purpose=self.prometheus.name, setting=PROMETHEUS_PORT_SETTING)
        require_free(
            self.ports.alertmanager, purpose=self.alertmanager.name, setting=ALERTMANAGER_PORT_SETTING
        )
        for server in (self.prometheus, self.alertmanager):
            server.binary()
        if not self.prometheus.rules.is_dir():
            raise StartFailed(self.prometheus.name, f"has no rules: {self.prometheus.rules} is not there", "")

    def settings(self) -> Mapping[str, str]:
        """What the notifier must be told so that it knows Alertmanager."""
        given = os.environ.get(NOTIFIER_CONFIG_SETTING)
        config = self.alertmanager.notifier_config(Path(given) if given else None)
        return {NOTIFIER_CONFIG_SETTING: str(config)}

    def watch(self, *, orchestrator: int, notifier: int, runners: Sequence[int]) -> None:
        """Scrape these ports from now on."""
        ports = ((orchestrator,), runners, (notifier,))
        self.prometheus.watch(dict(zip(JOBS, ports, strict=True)))
