"""Prometheus as a child process: it scrapes every service, evaluates the rules of deploy/, and tells Alertmanager.

In the order of life: `watch` (whom to scrape; again whenever that changes), `start`, `stop` or `kill`.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from penstock_cli.embedded.nats import write_private
from penstock_cli.embedded.ports import HOST
from penstock_cli.embedded.server import Server
from penstock_cli.errors import StartFailed

SCRAPE_EVERY_S = 5  # one machine: fine enough to see a demo, cheap enough to forget
KEPT_DAYS = 15
EXEMPLARS_MAX = 100_000
DOCS_LABEL = "docs"  # what stands before the paths in `runbook_url`; see deploy/prometheus/rules/alerts.yml
PROBE_S_MAX = 2.0


def installed(name: str, *binaries: str, package: str) -> Path:
    """The first of `binaries` that is on the PATH; StartFailed names the package that has it."""
    found = next(filter(None, map(shutil.which, binaries)), None)
    if found is None:
        advice = f"run `make setup`, or on Debian: apt-get install {package}"
        raise StartFailed(name, f"is not installed (no {binaries[0]} on the PATH); {advice}", "")
    return Path(found)


@dataclass(kw_only=True)
class Prometheus(Server):
    """A Prometheus that keeps its series in `folder`/data."""

    name: str = "Prometheus"
    folder: Path
    port: int
    rules: Path  # a folder with *.yml
    alertmanager_port: int | None = None
    docs: str = ""
    every_s: int = SCRAPE_EVERY_S

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder.resolve() / "prometheus.yml"

    @property
    def targets(self) -> Path:
        return self.folder.resolve() / "targets.json"

    def watch(self, ports: Mapping[str, Sequence[int]]) -> None:
        """Scrape these, job → ports; a Prometheus that runs notices by itself."""
        groups = [
            {"labels": {"job": job}, "targets": [f"{HOST}:{port}" for port in ports[job]]} for job in ports
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_private(self.targets, json.dumps(groups, indent=2))

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_private(self.config, json.dumps(self.configuration(), indent=2))
        self.run(self._command(), is_ready=lambda: is_ready(self.url))

    def configuration(self) -> dict[str, Any]:
        """Prometheus's configuration; JSON is YAML too."""
        drop_docs = {"action": "labeldrop", "regex": DOCS_LABEL}
        own = [] if self.alertmanager_port is None else [{"targets": [f"{HOST}:{self.alertmanager_port}"]}]
        return {
            "global": {
                "scrape_interval": f"{self.every_s}s",
                "scrape_timeout": f"{self.every_s}s",
                "evaluation_interval": f"{self.every_s}s",
                "external_labels": {DOCS_LABEL: self.docs} if self.docs else {},
            },
            "storage": {"exemplars": {"max_exemplars": EXEMPLARS_MAX}},
            "rule_files": [str(self.rules.resolve() / "*.yml")],
            "scrape_configs": [
                {"job_name": "penstock", "file_sd_configs": [{"files": [str(self.targets)]}]},
                {"job_name": "prometheus", "static_configs": [{"targets": [f"{HOST}:{self.port}"]}]},
            ],
            "alerting": {
                "alert_relabel_configs": [drop_docs],
                "alertmanagers": [{"static_configs": own}],
            },
        }

    def binary(self) -> Path:
        return installed(self.name, "prometheus", package="prometheus")

    def _command(self) -> list[str]:
        return [
            str(self.binary()),
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self.folder.resolve() / 'data'}",
            f"--storage.tsdb.retention.time={KEPT_DAYS}d",
            f"--web.listen-address={HOST}:{self.port}",
            "--enable-feature=exemplar-storage",
        ]


def is_ready(url: str) -> bool:
    """Whether a Prometheus or an Alertmanager says so."""
    try:
        return httpx.get(f"{url}/-/ready", timeout=PROBE_S_MAX, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
