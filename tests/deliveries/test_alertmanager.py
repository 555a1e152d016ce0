"""A failed run as an alert in a real Alertmanager, resolved when the run is tried again."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from notifier.channels.alertmanager import Alertmanager, Options
from notifier.channels.outbound import Outbound
from penstock_cli.embedded.ports import free_port
from tests.deliveries.builders import message
from tests.deliveries.conftest import until

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@dataclass(frozen=True)
class Running:
    """A real Alertmanager."""

    url: str

    async def alerts(self) -> list[Any]:
        async with httpx.AsyncClient() as client:
            found: list[Any] = (await client.get(f"{self.url}/api/v2/alerts")).json()
            return found

    async def is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.url}/-/ready")).is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Running]:
    assert PROGRAM, "no Alertmanager is installed; deploy/setup.sh installs it"
    (tmp_path / "alertmanager.yml").write_text(CONFIG)
    port = free_port()
    command = [
        PROGRAM,
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        yield Running(f"http://127.0.0.1:{port}")
        started.kill()


@pytest.fixture
async def alertmanager(process: Running) -> Running:
    await until(process.is_ready)
    return process


async def test_a_failed_run_is_an_alert_until_it_is_tried_again(alertmanager: Running) -> None:
    outbound = Outbound([ip_network("127.0.0.0/8")])
    channel = Alertmanager(Options(alertmanager.url, labels={"team": "core"}), outbound)
    run = uuid4()

    fired = await channel.send(message("run.failed", run=run))
    other = await channel.send(message("run.failed", run=uuid4()))
    before = await alertmanager.alerts()
    resolved = await channel.send(message("run.retried", run=run, seq=8))
    ignored = await channel.send(message("node.failed", run=run, seq=9))
    after = await alertmanager.alerts()
    outbound.close()

    assert fired.ok, fired
    assert other.ok
    assert resolved.ok
    assert "nothing sent" in ignored.answer
    labels = {"alertname": "PenstockRunFailed", "workflow": "release", "project": "default", "team": "core"}
    assert labels.items() <= before[0]["labels"].items()
    assert {alert["labels"]["run"] for alert in before} > {str(run)}
    assert str(run) not in {alert["labels"]["run"] for alert in after}
    assert len(after) == 1
