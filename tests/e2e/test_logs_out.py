"""An agent's log lines reach a collector over OTLP, from a whole Penstock: once, without secrets, in their trace."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Api
from tests.otlp import CollectedRecord, Collector
from tests.stack import Stack

pytestmark = pytest.mark.sandbox

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "s3cr3t/with+signs"
PROGRAM = """
import base64, sys, urllib.parse
secret = "%s"
print("plain", secret, file=sys.stderr)
print("basic", base64.b64encode(b"user:" + secret.encode()).decode(), file=sys.stderr)
print("url", urllib.parse.quote_plus(secret).lower(), file=sys.stderr)
print("{}")
"""
MANIFEST = """
name: chatty
version: "1"
description: Says more than it should
command: [python, main.py]
secrets: [TOKEN]
"""


def write_agent(folder: Path) -> Path:
    agent = folder / "agents/chatty"
    agent.mkdir(parents=True)
    (agent / "agent.yaml").write_text(MANIFEST)
    (agent / "main.py").write_text(PROGRAM.replace("%s", SECRET))
    return folder / "agents"


async def test_an_agents_lines_reach_the_collector(tmp_path: Path) -> None:
    agents = write_agent(tmp_path)
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(f"default: {{TOKEN: '{SECRET}'}}\n")
    secrets.chmod(0o600)
    with Collector() as collector:
        extra = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_EXPORTER": "none",
            "PENSTOCK_RUNNER_SECRETS_FILE": str(secrets),
        }
        with Stack(folder=tmp_path / "stack", agents=(agents,), slots=1, extra=extra) as stack:
            async with httpx.AsyncClient(base_url=stack.url, timeout=60) as client:
                run = await run_traced(Api(client))
            await collector.until(lambda: len(lines_of(collector, run)) == 3)

    lines = lines_of(collector, run)
    assert [line.body for line in lines] == ["plain [redacted]", "basic dXNlcj[redacted]", "url [redacted]"]
    assert {line.trace for line in lines} == {TRACE}
    assert {line.attributes["agent"] for line in lines} == {"chatty"}
    services = {record.service for record in collector.records}
    assert {"penstock-orchestrator", "penstock-agent-runner"} <= services


async def run_traced(api: Api) -> str:
    await api.define({"name": "chat", "nodes": {"only": {"agent": "chatty"}}})
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = await api.client.post("/api/v1/runs", json={"workflow": "chat"}, headers=headers)
    run = str(answer.json()["id"])
    assert (await api.ended(run))["state"] == "succeeded"
    return run


def lines_of(collector: Collector, run: str) -> list[CollectedRecord]:
    return [record for record in collector.records if record.attributes.get("run") == run]
