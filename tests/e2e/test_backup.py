"""Backup and restore, with the commands of docs/deploy.md: what was open goes on, elsewhere and with an empty bus."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest

from penstock_cli.embedded.child import Child
from penstock_cli.embedded.nats import Nats
from penstock_cli.embedded.ports import free_port
from penstock_cli.embedded.postgres import Postgres, binaries
from tests.e2e.conftest import Api, node_of
from tests.invariants import broken_invariants
from tests.stack import ROOT, Stack, answers

PAGE = (ROOT / "docs/deploy.md").read_text()
COMMANDS = dict(re.findall(r"^```bash (\w+\.sh)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
INSIDE = "docker compose exec -T postgres "
WAITS = {"name": "waits-over-a-backup", "nodes": {"ask": {"approval": {"message": "Still there?"}}}}
COUNTED = ("run", "node", "run_event", "workflow")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(folder=tmp_path / "other", log=tmp_path / "other.log", durable=False)
    server.start()
    yield server
    server.stop()


async def test_a_run_that_waited_goes_on_from_a_backup(
    api: Api, stack: Stack, other: Postgres, own_nats: Nats, tmp_path: Path
) -> None:
    await api.define(WAITS)
    run = await api.start(WAITS["name"])
    await api.until_node(run, "ask", "suspended")

    execute("backup.sh", stack.postgres, tmp_path)
    execute("restore.sh", other, tmp_path)

    assert await broken_invariants(other.url()) == {}
    assert min((await rows_of(other)).values()) > 0
    orchestrator, url = orchestrator_on(other, own_nats, tmp_path)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            restored = Api(client)
            assert node_of(await restored.get(f"/runs/{run}"), "ask")["state"] == "suspended"
            await restored.post(f"/runs/{run}/nodes/ask/approve", by="ada")
            assert (await restored.ended(run))["state"] == "succeeded"
    finally:
        orchestrator.stop()
    assert (await api.get(f"/runs/{run}"))["state"] == "running"  # the first one knows nothing of it


def execute(name: str, server: Postgres, folder: Path) -> None:
    """The page's commands, as they are inside the container."""
    where = {key: values[0] for key, values in parse_qs(urlsplit(server.url()).query).items()}
    environment = {
        "PATH": f"{binaries()}:{os.environ['PATH']}",
        "PGHOST": where["host"],
        "PGPORT": where["port"],
        "PGPASSWORD": server.password,
    }
    assert INSIDE in COMMANDS[name]
    program = COMMANDS[name].replace(INSIDE, "")
    said = subprocess.run(
        ["bash", "-eu", "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr


async def rows_of(server: Postgres) -> dict[str, int]:
    connection = await asyncpg.connect(server.url())
    try:
        return {name: await connection.fetchval(f"select count(*) from {name}") for name in COUNTED}
    finally:
        await connection.close()


def orchestrator_on(server: Postgres, bus: Nats, folder: Path) -> tuple[Child, str]:
    login, port = bus.login("orchestrator"), free_port()
    (folder / "password").write_text(login.password)
    environment = {
        "PATH": os.environ["PATH"],
        "PENSTOCK_ORCHESTRATOR_HTTP_PORT": str(port),
        "PENSTOCK_ORCHESTRATOR_DATABASE_URL": server.url(),
        "PENSTOCK_ORCHESTRATOR_NATS_URL": bus.url,
        "PENSTOCK_ORCHESTRATOR_NATS_PASSWORD_FILE": str(folder / "password"),
        "PENSTOCK_ORCHESTRATOR_ARTIFACTS_FOLDER": str(folder / "artifacts"),
    }
    child = Child(
        name="restored",
        command=[sys.executable, "-m", "orchestrator"],
        log=folder / "restored.log",
        environment=environment,
    )
    child.start()
    child.wait_ready(lambda: answers(f"http://127.0.0.1:{port}/health"))
    return child, f"http://127.0.0.1:{port}"
