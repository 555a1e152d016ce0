"""From a real Alertmanager to a breaker of a real orchestrator, and back: fire, restart, resolve."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from penstock_cli.embedded.child import Child
from penstock_cli.embedded.ports import free_port
from penstock_cli.main import app
from tests.alerts.builders import TOKEN, alert, bearer, payload
from tests.stack import ROOT, Stack, answers

BREAKER = "/api/v1/breakers/dependency%2Fllm-provider"
SOURCES = {
    "alertmanagers": [
        {
            "name": "production",
            "project": "shop",
            "token": TOKEN,
            "hold": {"firing": "0s", "resolved": "0s"},
            "actions": [{"match": {"alertname": "LlmDown"}, "open_breaker": "llm-provider"}],
        }
    ]
}


def routing(url: str) -> dict[str, Any]:
    """An Alertmanager that tells at once."""
    webhook = {
        "url": f"{url}/api/v1/alertmanager",
        "send_resolved": True,
        "http_config": {"authorization": {"credentials": TOKEN}},
    }
    timings = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    return {
        "route": {"receiver": "penstock", "group_by": ["alertname"], **timings},
        "receivers": [{"name": "penstock", "webhook_configs": [webhook]}],
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("alerts")
    (folder / "notifier.yaml").write_text(yaml.safe_dump(SOURCES))
    own = {"notifier-0": {"PENSTOCK_NOTIFIER_CONFIG_FILE": str(folder / "notifier.yaml")}}
    agents = (ROOT / "tests/agents_for_tests",)
    with Stack(folder=folder, agents=agents, runners=0, notifiers=1, own=own) as running:
        yield running


@pytest.fixture(scope="module")
def alertmanager(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real one that tells our notifier."""
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(routing(stack.notifier_url)))
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        shutil.which("prometheus-alertmanager") or "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    child = Child(name="alertmanager", command=command, log=folder / "alertmanager.log")
    child.start()
    child.wait_ready(lambda: answers(f"{url}/-/ready"))
    yield url
    child.stop()


async def post_alert(alertmanager: str, *, ends_at: datetime | None = None, **labels: str) -> None:
    """As Prometheus posts it."""
    sent: dict[str, Any] = {"labels": labels, "annotations": {"summary": "503"}, "generatorURL": "http://p/g"}
    sent["startsAt"] = "2026-11-21T09:30:00Z"
    sent["endsAt"] = (ends_at or datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{alertmanager}/api/v2/alerts", json=[sent])
    assert answer.status_code == 200, answer.text


async def until_breaker(stack: Stack, state: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=stack.url, headers={"x-penstock-project": "shop"}) as client:
        async with asyncio.timeout(30):
            while (seen := (await client.get(BREAKER)).json()).get("state") != state:
                await asyncio.sleep(0.05)
    return dict(seen)


async def test_an_alert_fires_and_resolves_through_everything(stack: Stack, alertmanager: str) -> None:
    stack.kill("notifier-0")  # Alertmanager sends again what was not taken
    await post_alert(alertmanager, alertname="LlmDown", model="gpt")
    stack.start("notifier-0")
    opened = await until_breaker(stack, "open")
    stack.kill("notifier-0")
    await post_alert(alertmanager, ends_at=datetime.now(UTC), alertname="LlmDown", model="gpt")
    stack.start("notifier-0")
    closed = await until_breaker(stack, "closed")

    assert opened["changed_by"] == closed["changed_by"] == "alertmanager production"
    async with httpx.AsyncClient(base_url=stack.notifier_url) as notifier:
        alerts = (await notifier.get("/api/v1/alerts")).json()["items"]
        actions = (await notifier.get("/api/v1/alert-actions")).json()["items"]
        metrics = (await notifier.get("/metrics")).text
    assert [each["status"] for each in alerts] == ["resolved", "firing"]
    assert {each["labels"]["model"] for each in alerts} == {"gpt"}
    assert [(each["state"], each["outcome"]) for each in actions] == [("ended", "undone")]
    assert 'penstock_alert_payloads_total{answer="accepted",source="production"}' in metrics
    events = await inbound(stack)
    assert {event["type"] for event in events} == {"penstock.alert.resolved", "penstock.alert.firing"}


WATCH = {
    "name": "watch",
    "inputs": {"type": "object", "properties": {"model": {"type": "string"}}},
    "nodes": {"look": {"wait": {"duration": "1h"}}},
    "triggers": [
        {"alert": {"match": {"alertname": "LlmSlow"}, "input": {"model": "${{ alert.labels.model }}"}}}
    ],
}


async def test_an_alert_starts_a_workflow_once(stack: Stack, alertmanager: str) -> None:
    headers = {"x-penstock-project": "shop"}
    async with httpx.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers) as client:
        assert (await client.post("/workflows", json=WATCH)).status_code == 201
        await post_alert(alertmanager, alertname="LlmSlow", model="gpt")
        await post_alert(alertmanager, alertname="LlmSlow", model="claude")
        async with asyncio.timeout(30):
            while len(runs := (await client.get("/runs?workflow=watch")).json()["items"]) < 2:
                await asyncio.sleep(0.05)
        inputs = [(await client.get(f"/runs/{run['id']}")).json()["input"] for run in runs]
        events = (await client.get("/events?type=penstock.alert.firing")).json()["items"]

    assert sorted(each["model"] for each in inputs) == ["claude", "gpt"]
    assert len([event for event in events if event["subject"] == "LlmSlow"]) == 2


async def inbound(stack: Stack) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=stack.url, headers={"x-penstock-project": "shop"}) as client:
        async with asyncio.timeout(10):
            while len(events := (await client.get("/api/v1/events")).json()["items"]) < 2:
                await asyncio.sleep(0.05)
    return list(events)


def command(stack: Stack, *words: str) -> Result:
    return CliRunner().invoke(app, ["alerts", *words], env={"PENSTOCK_NOTIFIER_URL": stack.notifier_url})


def test_the_command_shows_alerts_and_what_they_did(stack: Stack) -> None:
    sent = payload(alert("Shown", labels={"alertname": "Shown", "zone": "b"}), alert("LlmDown"))
    answer = httpx.post(f"{stack.notifier_url}/api/v1/alertmanager", json=sent, headers=bearer())
    assert answer.status_code == 200, answer.text

    listed = command(stack, "ls", "--source", "production", "--limit", "2", "-o", "json")
    shown = command(stack, "ls")
    acted = command(stack, "actions")
    wrong = command(stack, "ls", "--status", "open")

    assert [each["name"] for each in json.loads(listed.stdout)["items"]] == ["LlmDown", "Shown"]
    assert "zone=b" in shown.stdout
    assert acted.exit_code == 0, acted.output
    assert (wrong.exit_code, "expected one of firing, resolved" in wrong.stderr) == (1, True)


def test_a_notifier_that_is_away_is_named() -> None:
    nobody = CliRunner().invoke(app, ["alerts", "ls"], env={"PENSTOCK_NOTIFIER_URL": "http://127.0.0.1:9"})

    assert nobody.exit_code == 1
    assert "the notifier does not answer at http://127.0.0.1:9" in nobody.stderr
    assert "PENSTOCK_NOTIFIER_URL" in nobody.stderr
