"""The runner as a process: signals, settings, health, and what it leaves behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from agent_runner.clocks import lease_clock
from penstock_cli.embedded.child import Child
from penstock_cli.embedded.nats import Nats
from penstock_cli.embedded.ports import free_port
from tests.runner.peer import SECONDS_MAX, Peer
from tests.servers import RUNNER

pytestmark = pytest.mark.sandbox

AGENT = """
name: sleep
version: 1.0.0
description: Sleeps
command: [python, agent.py]
sandbox: {network: none, memory: 128MiB, processes: 16, scratch: 16MiB}
"""
SLEEP = """
import json, sys, time
print("started", file=sys.stderr, flush=True)
time.sleep(json.load(sys.stdin)["seconds"])
print("{}")
"""


class Process:
    """`python -m agent_runner` with one agent that sleeps."""

    def __init__(self, folder: Path, nats: Nats) -> None:
        agent = folder / "agents" / "sleep"
        agent.mkdir(parents=True, exist_ok=True)
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        (agent / "agent.yaml").write_text(AGENT)
        (agent / "agent.py").write_text(SLEEP)
        login = nats.login(RUNNER)
        self.port = free_port()
        self.work = folder / "work"
        self.settings = {
            "PENSTOCK_RUNNER_ID": "runner-1",
            "PENSTOCK_RUNNER_AGENTS": str(agent.parent),
            "PENSTOCK_RUNNER_NATS_URL": nats.url,
            "PENSTOCK_RUNNER_NATS_USER": login.user,
            "PENSTOCK_RUNNER_NATS_PASSWORD": login.password,
            "PENSTOCK_RUNNER_WORK_FOLDER": str(self.work),
            "PENSTOCK_RUNNER_HTTP_PORT": str(self.port),
        }
        self.log = folder / "runner.log"
        self.child: Child | None = None

    def start(self, **settings: str) -> Child:
        environment = {
            "PATH": os.environ["PATH"],
            **self.settings,
            **{f"PENSTOCK_RUNNER_{name.upper()}": value for name, value in settings.items()},
        }
        self.child = Child(
            name="runner",
            command=[sys.executable, "-m", "agent_runner"],
            log=self.log,
            environment=environment,
        )
        self.child.start()
        return self.child

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://127.0.0.1:{self.port}{path}")

    async def ready(self) -> None:
        await until(lambda: "runner.started" in self.log.read_text())

    def signal(self, which: signal.Signals) -> None:
        assert self.child is not None
        assert self.child.pid is not None
        os.kill(self.child.pid, which)

    async def ended(self) -> int | None:
        assert self.child is not None
        child = self.child
        await until(lambda: not child.alive())
        return child.exit_code()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not is_so():
            await asyncio.sleep(0.02)


@pytest.fixture
def process(tmp_path: Path, own_nats: Nats) -> Iterator[Process]:
    process = Process(tmp_path, own_nats)
    yield process
    if process.child is not None:
        process.child.kill()


async def test_first_signal_drains_and_exits_0(process: Process, peer: Peer) -> None:
    process.start()
    order = await peer.order("sleep", {"seconds": 1.5})
    await peer.until(lambda: "started" in peer.text_of(order))

    process.signal(signal.SIGTERM)

    assert await process.ended() == 0
    assert (await peer.result_of(order)).failure is None
    assert list(process.work.iterdir()) == []


async def test_runner_that_slept_past_its_lease_reports_nothing(process: Process, peer: Peer) -> None:
    peer.lease_s = 1.5
    process.start()
    order = await peer.order("sleep", {"seconds": 1.0})
    token = await peer.claimed(order)
    await peer.until(lambda: "started" in peer.text_of(order))

    process.signal(signal.SIGSTOP)
    lease_ends = lease_clock() + peer.lease_s  # by then the agent has ended, too
    await until(lambda: lease_clock() > lease_ends)
    process.signal(signal.SIGCONT)
    after = await peer.result_of(await peer.order("sleep", {"seconds": 0}))

    assert after.failure is None
    assert token not in {result.token for result in peer.results}


async def test_health_tells_what_is_missing(process: Process, peer: Peer) -> None:
    process.start(slots="3")
    await process.ready()
    await until(lambda: bool(peer.hellos))

    ready = await process.get("/ready")
    health = await process.get("/health")
    metrics = await process.get("/metrics")

    assert health.json() == {"status": "ok"}
    assert ready.status_code == 200
    assert [dependency["name"] for dependency in ready.json()["dependencies"]] == [
        "sandbox",
        "nats",
        "orchestrator",
    ]
    assert (ready.json()["tier"], ready.json()["slots"]) == ("bwrap", 3)
    assert 'penstock_runner_slots{pool="default"} 3.0' in metrics.text


async def test_runner_without_a_bus_says_so_and_still_obeys(process: Process, own_nats: Nats) -> None:
    own_nats.stop()
    process.start()
    await until(lambda: "runner.health_served" in process.log.read_text())

    ready = await process.get("/ready")
    process.signal(signal.SIGTERM)

    assert ready.status_code == 503
    assert {d["name"]: d["ok"] for d in ready.json()["dependencies"]} == {"sandbox": True, "nats": False}
    assert await process.ended() == 0


async def test_runner_that_lost_its_bus_still_ends(process: Process, peer: Peer, own_nats: Nats) -> None:
    process.start()
    await until(lambda: bool(peer.hellos))
    own_nats.kill()

    process.signal(signal.SIGTERM)
    code = await process.ended()

    own_nats.start()  # for the peer, which has not ended yet
    await until(lambda: peer.bus.is_connected)
    assert code == 0


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("slots", "many", "PENSTOCK_RUNNER_SLOTS"),
        ("slots", "0", "PENSTOCK_RUNNER_SLOTS"),
        ("agents", "/nowhere", "PENSTOCK_RUNNER_AGENTS"),
        ("sandbox", "firejail", "'bwrap', 'landlock' or 'none'"),
        ("pool", "Not A Pool", "PENSTOCK_RUNNER_POOL"),
        ("secrets_file", "/nowhere/secrets.yaml", "/nowhere/secrets.yaml"),
        ("models_file", "/nowhere/models.yaml", "/nowhere/models.yaml"),
        ("orchestrator_url", "localhost", "PENSTOCK_RUNNER_ORCHESTRATOR_URL"),
    ],
)
async def test_wrong_setting_stops_the_start_and_names_itself(
    process: Process, setting: str, value: str, expected: str
) -> None:
    process.start(**{setting: value})

    assert await process.ended() == 2
    assert expected in process.log.read_text()


async def test_what_a_killed_runner_left_is_removed_by_the_next(process: Process, peer: Peer) -> None:
    child = process.start()
    order = await peer.order("sleep", {"seconds": 600})
    await peer.until(lambda: "started" in peer.text_of(order))
    child.kill()
    assert (process.work / "runner-1").exists()

    process.start(id="runner-2")
    await peer.until(lambda: any(hello.runner == "runner-2" for hello in peer.hellos))

    assert [path.name for path in process.work.iterdir()] == ["runner-2"]


async def test_two_runners_may_not_share_an_id(process: Process, peer: Peer, tmp_path: Path) -> None:
    first = process.start()
    await process.ready()

    process.start(http_port="0")

    assert await process.ended() == 2
    assert "another runner named 'runner-1'" in process.log.read_text()
    first.kill()


async def test_agents_that_cannot_be_loaded_are_offered_with_their_error(
    process: Process, peer: Peer, tmp_path: Path
) -> None:
    broken = tmp_path / "more" / "broken"
    broken.mkdir(parents=True)
    (broken / "agent.yaml").write_text("name: broken\nversion: 1.0.0\ncomand: [sh]\n")
    process.start(agents=f"{process.settings['PENSTOCK_RUNNER_AGENTS']}:{broken.parent}")

    await peer.until(lambda: bool(peer.hellos))

    errors = {offer.name: offer.error for offer in peer.hellos[0].agents}
    assert errors["sleep"] is None
    assert "comand" in (errors["broken"] or "")


async def test_doctor_prints_one_document(tmp_path: Path) -> None:
    doctor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent_runner", "doctor", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await doctor.communicate()

    document = json.loads(out)
    assert document["ok"] is (doctor.returncode == 0)
    assert {"name", "ok", "detail", "advice"} == set(document["findings"][0])
