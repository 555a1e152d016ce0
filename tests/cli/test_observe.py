"""`penstock up --observe`: a real Prometheus and a real Alertmanager find everybody, and end with the rest."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from penstock.bus import permissions
from penstock.bus.connection import connect
from penstock_cli.embedded.alertmanager import SOURCE, Alertmanager
from penstock_cli.embedded.ports import free_port
from penstock_cli.embedded.prometheus import Prometheus
from penstock_cli.errors import CommandError
from tests.cli.conftest import PENSTOCK, start_up
from tests.cli.test_up import alive, wait_until
from tests.stack import ROOT

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Up:
    process: "subprocess.Popen[str]"
    places: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("observe") / "data"
    ports = ["--prometheus-port", str(free_port()), "--alertmanager-port", str(free_port())]
    process, places = start_up(folder, "--runners", "1", "--observe", *ports)
    running = Up(process, places, folder)
    asyncio.run(send_garbage(running))  # it takes its time until the alert about it has come all the way
    yield running
    process.send_signal(signal.SIGINT)
    process.wait(30)


async def send_garbage(up: Up) -> None:
    password = json.loads((up.folder / "nats/passwords.json").read_text())[permissions.PUBLISHER]
    async with connect(
        url=up.places["nats"], user=permissions.PUBLISHER, password=password, name="villain"
    ) as bus:
        await bus.client.jetstream().publish("penstock.in.default.garbage", b"garbage")


def asked(up: Up, path: str, **params: str) -> Any:
    return httpx.get(f"{up.places['prometheus']}/api/v1/{path}", params=params).json()["data"]


def test_every_service_is_scraped(up: Up) -> None:
    def scraped() -> set[str]:
        targets = asked(up, "targets")["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"}

    wait_until(lambda: {"orchestrator", "agent-runner", "notifier", "prometheus"} <= scraped())


def test_the_rules_are_evaluated_and_alertmanager_is_told(up: Up) -> None:
    rules = [rule for group in asked(up, "rules")["groups"] for rule in group["rules"]]
    wait_until(lambda: bool(asked(up, "alertmanagers")["activeAlertmanagers"]))

    assert "PenstockNoRunner" in {rule["name"] for rule in rules}
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
    (told,) = asked(up, "alertmanagers")["activeAlertmanagers"]
    assert told["url"].startswith(up.places["alertmanager"])


def test_a_dead_runner_is_seen(up: Up) -> None:
    """Prometheus asks the port that the runner really has, also after it was started again."""
    (runner,) = [
        child for child in psutil.Process(up.process.pid).children() if "agent_runner" in child.cmdline()
    ]

    runner.kill()

    seen = 'changes(process_start_time_seconds{job="agent-runner"}[5m]) > 0'
    wait_until(lambda: bool(asked(up, "query", query=seen)["result"]), patience_s=40)


def test_the_notifier_knows_alertmanager_by_a_token_that_only_we_can_read(up: Up) -> None:
    config = json.loads((up.folder / "alertmanager/alertmanager.yml").read_text())
    (webhook,) = config["receivers"][0]["webhook_configs"]
    token = Path(webhook["http_config"]["authorization"]["credentials_file"])
    (source,) = yaml.safe_load((up.folder / "alertmanager/notifier.yaml").read_text())["alertmanagers"]

    assert webhook["url"] == f"{up.places['notifier']}/api/v1/alertmanager"
    assert source == {"name": "embedded", "project": "default", "token_file": str(token)}
    assert token.stat().st_mode & 0o077 == 0
    assert len(token.read_text()) > 30


def test_an_alert_goes_all_the_way_to_the_notifier(up: Up) -> None:
    """From a message that is none, over Prometheus's rule and Alertmanager, into the notifier's list."""
    wait_until(lambda: bool(told(up)), patience_s=40)
    (alert,) = told(up)
    assert alert["status"] == "firing"
    assert alert["annotations"]["runbook_url"] == (ROOT / "docs/runbooks/dead-letters.md").as_uri()


def told(up: Up) -> list[dict[str, Any]]:
    """Alerts about dead letters that came to the notifier."""
    answer = httpx.get(f"{up.places['notifier']}/api/v1/alerts", params={"source": SOURCE})
    assert answer.status_code == httpx.codes.OK, answer.text
    return [item for item in answer.json()["items"] if item["labels"]["alertname"] == "PenstockDeadLetters"]


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = [*PENSTOCK, "up", "--observe", "--data", str(tmp_path / "data")]
    ports = [("--port", 0), ("--notifier-port", 0), ("--nats-port", 0), ("--prometheus-port", 0)]
    options = [word for name, _ in ports for word in (name, str(free_port()))]

    done = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": str(tmp_path / "bin")},
    )

    assert done.returncode == 1
    assert "apt-get install prometheus" in done.stderr
    assert "starting" not in done.stderr, "said before anything starts"


def test_sources_of_alerts_that_a_person_configured_stay(tmp_path: Path) -> None:
    given = tmp_path / "mine.yaml"
    given.write_text(
        "alertmanagers: [{name: office, project: shop, token_file: token}]\nsubscriptions: [{name: chat}]\n"
    )
    alertmanager = Alertmanager(
        folder=tmp_path / "alertmanager", log=tmp_path / "log", port=1, notifier_url="http://127.0.0.1:2"
    )

    merged = yaml.safe_load(alertmanager.notifier_config(given).read_text())

    assert [source["name"] for source in merged["alertmanagers"]] == ["office", "embedded"]
    assert merged["alertmanagers"][0]["token_file"] == str(tmp_path / "token"), "it is still beside his file"
    assert merged["subscriptions"] == [{"name": "chat"}]


def test_a_configuration_of_the_notifier_that_is_none_is_named(tmp_path: Path) -> None:
    given = tmp_path / "mine.yaml"
    given.write_text("alertmanagers: 3\n")
    alertmanager = Alertmanager(folder=tmp_path, log=tmp_path / "log", port=1, notifier_url="")

    with pytest.raises(CommandError, match=r"mine\.yaml"):
        alertmanager.notifier_config(given)


@pytest.mark.parametrize("with_alertmanager", [True, False])
def test_the_configurations_are_those_of_the_tools(tmp_path: Path, *, with_alertmanager: bool) -> None:
    prometheus = Prometheus(
        folder=tmp_path,
        log=tmp_path / "log",
        port=9090,
        rules=ROOT / "deploy/prometheus/rules",
        alertmanager_port=9093 if with_alertmanager else None,
        docs="https://example.com/",
    )
    alertmanager = Alertmanager(
        folder=tmp_path, log=tmp_path / "log", port=9093, notifier_url="http://127.0.0.1:2"
    )
    prometheus.watch({"orchestrator": [9002]})
    alertmanager.write_token()
    prometheus.config.write_text(json.dumps(prometheus.configuration()))
    alertmanager.config.write_text(json.dumps(alertmanager.configuration()))

    for command in (
        ["promtool", "check", "config", prometheus.config],
        ["amtool", "check-config", alertmanager.config],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_everything_ends_with_it(up: Up) -> None:
    """The last test of this file: it stops what the others looked at."""
    children = psutil.Process(up.process.pid).children(recursive=True)
    named = {child.name() for child in children}

    up.process.send_signal(signal.SIGINT)
    up.process.wait(30)

    assert {"prometheus", "prometheus-alert"} <= {name[:16] for name in named}
    assert [child for child in children if alive(child)] == []
