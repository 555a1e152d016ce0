"""Deliveries from a real orchestrator by real notifiers, which are killed; and the command line before them."""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from penstock_cli.main import app
from tests.deliveries.targets import Target
from tests.stack import Stack

RUNS = 30
NOTIFIERS = ("notifier-0", "notifier-1")
NODES = {"sign-off": {"approval": {"message": "Go on?", "timeout": "1h"}}}  # a run that needs no runner
SUBSCRIPTIONS = """
subscriptions:
  starts:
    events: [run.started]
    channel: {webhook: {url: "%s"}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    extra = {"PENSTOCK_NOTIFIER_NETWORKS": "127.0.0.0/8"}
    folder = tmp_path_factory.mktemp("notifiers")
    with Stack(folder=folder, agents=(), runners=0, notifiers=2, extra=extra) as running:
        answer = httpx.post(f"{running.url}/api/v1/workflows", json={"name": "signed", "nodes": NODES})
        assert answer.status_code == 201, answer.text
        yield running


def command(stack: Stack, *words: str) -> Result:
    return CliRunner().invoke(app, words, env={"PENSTOCK_NOTIFIER_URL": stack.notifier_url})


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def start(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/v1/runs", json={"workflow": "signed", "input": {}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def runs_told(target: Target) -> set[str]:
    return {request.document["id"].partition("/")[0] for request in target.requests}


async def test_every_run_is_told_though_a_notifier_is_killed_and_the_bus_is_lost(
    stack: Stack, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "subscriptions.yaml").write_text(SUBSCRIPTIONS % target.url)
    document(command(stack, "subscriptions", "apply", str(tmp_path / "subscriptions.yaml"), "-o", "json"))
    rows = await asyncpg.connect(stack.postgres.url(), server_settings={"search_path": "notifier"})
    async with httpx.AsyncClient(base_url=stack.url) as client:
        early = [await start(client) for _ in range(RUNS // 3)]
        for name in NOTIFIERS:
            stack.kill(name)
        late = [await start(client) for _ in range(RUNS // 3)]
        await until_published(stack, late)
        await _lose_the_bus(stack)  # with events that no notifier has seen
        for name in NOTIFIERS:
            await asyncio.to_thread(stack.start, name)
        last = [await start(client) for _ in range(RUNS // 3)]
        runs = {*early, *late, *last}
        async with asyncio.timeout(40):
            while not runs <= runs_told(target) or await rows.fetchval(
                "select count(*) < $1 from delivery where state = 'delivered'", len(runs)
            ):
                await rows.execute(
                    "update delivery set due_at = now() where state = 'waiting' and claims = 1"
                )
                await asyncio.sleep(0.2)

    found = await rows.fetch("select event_id, state from delivery")
    await rows.close()
    assert Counter(row["event_id"].partition("/")[0] for row in found) == Counter(runs)
    assert {row["state"] for row in found} == {"delivered"}
    ids = {(request.headers["webhook-id"], request.document["id"]) for request in target.requests}
    assert len(ids) == len(runs), "a repeated message keeps its id"


async def until_published(stack: Stack, runs: list[str]) -> None:
    rows = await asyncpg.connect(stack.postgres.url())
    async with asyncio.timeout(20):
        while await rows.fetchval(
            "select count(*) from run where published < version and id = any($1)", runs
        ):
            await asyncio.sleep(0.05)
    await rows.close()


async def _lose_the_bus(stack: Stack) -> None:
    await asyncio.to_thread(stack.nats.stop)
    for folder in stack.nats.folder.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    await asyncio.to_thread(stack.nats.start)


async def test_the_command_shows_tries_out_and_tells_again(
    stack: Stack, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "one.yaml").write_text(SUBSCRIPTIONS.replace("starts:", "shown:") % target.url)

    def commands() -> None:
        made = document(command(stack, "subscriptions", "apply", str(tmp_path / "one.yaml"), "-o", "json"))
        assert made["items"][0]["name"] == "shown"
        assert "shown" in command(stack, "subscriptions", "ls").stdout
        assert target.url in command(stack, "subscriptions", "get", "shown").stdout
        assert document(command(stack, "subscriptions", "test", "shown", "-o", "json"))["ok"]
        assert document(command(stack, "subscriptions", "pause", "shown", "-o", "json"))["active"] is False
        assert document(command(stack, "subscriptions", "resume", "shown", "-o", "json"))["active"] is True

    await asyncio.to_thread(commands)
    async with httpx.AsyncClient(base_url=stack.url) as client:
        await start(client)
    await target.received(2)  # the sample, and the run

    def more_commands() -> None:
        arguments = ("--subscription", "shown", "-o", "json")
        (delivery,) = document(command(stack, "deliveries", "ls", *arguments))["items"]
        assert "run.started" in command(stack, "deliveries", "ls").stdout
        again = document(command(stack, "deliveries", "redeliver", delivery["id"], "-o", "json"))
        assert again["delivery"]["id"] == delivery["id"]
        assert again["log"] == [] or again["log"][0]["status"] == 200
        assert command(stack, "deliveries", "get", delivery["id"]).exit_code == 0
        assert command(stack, "subscriptions", "delete", "shown").exit_code == 0
        gone = command(stack, "subscriptions", "get", "show")
        assert (gone.exit_code, "no subscription named 'show'" in gone.stderr) == (1, True)

    await asyncio.to_thread(more_commands)
    assert command(stack, "subscriptions", "apply", str(tmp_path / "none.yaml")).exit_code == 1
