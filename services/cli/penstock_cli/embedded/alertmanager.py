"""Alertmanager as a child process: it groups the alerts of Prometheus and hands them to the notifier.

In the order of life: `write_token`, `notifier_config` (so that the notifier knows it), `start`, `stop` or `kill`.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from penstock.contracts.names import PROJECT_DEFAULT
from penstock_cli.embedded.nats import write_private
from penstock_cli.embedded.ports import HOST
from penstock_cli.embedded.prometheus import installed, is_ready
from penstock_cli.embedded.server import Server
from penstock_cli.errors import CommandError

SOURCE = "embedded"  # its name among the notifier's sources of alerts
RECEIVER = "notifier"
PATH = "/api/v1/alertmanager"
SECTION = "alertmanagers"


@dataclass(kw_only=True)
class Alertmanager(Server):
    """An Alertmanager alone, that tells the notifier at `notifier_url` and nobody else."""

    name: str = "Alertmanager"
    folder: Path
    port: int
    notifier_url: str
    group_wait: str = "1s"  # one machine: whoever tries an alert is waiting for it
    group_interval: str = "5s"
    repeat_interval: str = "4h"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder.resolve() / "alertmanager.yml"

    @property
    def token_file(self) -> Path:
        return self.folder.resolve() / "token"

    def write_token(self) -> Path:
        """The bearer token by which the notifier knows us; kept over restarts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.token_file.exists():
            write_private(self.token_file, secrets.token_urlsafe(32))
        return self.token_file

    def notifier_config(self, given: Path | None) -> Path:
        """A configuration of the notifier that also names us; all else is as in `given`."""
        document = _anchored(_read(given), given.absolute().parent) if given else {}
        source = {"name": SOURCE, "project": PROJECT_DEFAULT, "token_file": str(self.write_token())}
        sources = [each for each in document.get(SECTION) or [] if each.get("name") != SOURCE]
        path = self.folder.resolve() / "notifier.yaml"
        write_private(path, yaml.safe_dump({**document, SECTION: [*sources, source]}, sort_keys=False))
        return path

    def start(self) -> None:
        self.write_token()
        write_private(self.config, json.dumps(self.configuration(), indent=2))
        self.run(self._command(), is_ready=lambda: is_ready(self.url))

    def configuration(self) -> dict[str, Any]:
        """Alertmanager's configuration; JSON is YAML too."""
        webhook = {
            "url": f"{self.notifier_url}{PATH}",
            "send_resolved": True,
            "http_config": {"authorization": {"credentials_file": str(self.token_file)}},
        }
        return {
            "route": {
                "receiver": RECEIVER,
                "group_by": ["alertname", "project"],
                "group_wait": self.group_wait,
                "group_interval": self.group_interval,
                "repeat_interval": self.repeat_interval,
            },
            "receivers": [{"name": RECEIVER, "webhook_configs": [webhook]}],
        }

    def binary(self) -> Path:
        """Debian calls it prometheus-alertmanager, everybody else alertmanager."""
        names = ("prometheus-alertmanager", "alertmanager")
        return installed(self.name, *names, package="prometheus-alertmanager")

    def _command(self) -> list[str]:
        return [
            str(self.binary()),
            f"--config.file={self.config}",
            f"--storage.path={self.folder.resolve() / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--cluster.listen-address=",  # alone: nobody to gossip with
        ]


def _anchored(document: Any, folder: Path) -> Any:
    """The same with absolute paths in `…_file`: they are looked for beside a file that is elsewhere now."""
    if isinstance(document, list):
        return [_anchored(each, folder) for each in document]
    if not isinstance(document, dict):
        return document
    return {
        key: str(folder / value)
        if str(key).endswith("_file") and isinstance(value, str)
        else _anchored(value, folder)
        for key, value in document.items()
    }


def _read(file: Path) -> dict[str, Any]:
    """The notifier's own configuration, as far as we must understand it; the notifier checks the rest."""
    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CommandError(f"the notifier's configuration {file} cannot be read: {error}") from error
    if document is None:
        return {}
    sources = document.get(SECTION) if isinstance(document, dict) else 0
    if sources is not None and not isinstance(sources, list):
        raise CommandError(f"the notifier's configuration {file}: expected sections, {SECTION} as a list")
    return dict(document)
