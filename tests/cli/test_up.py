"""`penstock up`: clear words when it cannot start, and nothing left behind however it ends."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from penstock_cli.embedded.ports import free_port
from tests.cli.conftest import PENSTOCK, start_up


def up(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """A `penstock up` that is expected to end by itself."""
    command = [*PENSTOCK, "up", "--data", str(folder), "--notifier-port", str(free_port()), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_named_with_its_holder_and_the_setting(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])

        orchestrators = up(tmp_path / "data", "--port", port, "--nats-port", str(free_port()))
        nats = up(tmp_path / "data", "--port", str(free_port()), "--nats-port", port)

    for done, setting in (
        (orchestrators, "PENSTOCK_ORCHESTRATOR_HTTP_PORT"),
        (nats, "PENSTOCK_UP_NATS_PORT"),
    ):
        assert done.returncode == 1
        assert f"port {port}" in done.stderr
        assert f"process {os.getpid()}" in done.stderr
        assert f"{setting}=" in done.stderr


def test_everything_ends_on_ctrl_c_and_the_data_is_there_again(tmp_path: Path) -> None:
    process, places = start_up(tmp_path / "data", "--runners", "1")
    children = psutil.Process(process.pid).children(recursive=True)
    workflow = b"name: kept\nnodes:\n  a: {agent: reporter}\n"
    saved = httpx.post(
        f"{places['url']}/api/v1/workflows", content=workflow, headers={"content-type": "application/yaml"}
    )
    second = up(tmp_path / "data", "--port", str(free_port()), "--nats-port", str(free_port()))

    process.send_signal(signal.SIGINT)
    code = process.wait(30)

    assert saved.status_code == 201
    assert second.returncode == 1
    assert "another `penstock up`" in second.stderr
    assert code == 0
    assert len(children) >= 4
    assert [child for child in children if alive(child)] == []

    process, places = start_up(tmp_path / "data", "--runners", "0")
    kept = httpx.get(f"{places['url']}/api/v1/workflows/kept")
    process.send_signal(signal.SIGTERM)
    process.wait(30)

    assert kept.status_code == 200


@pytest.mark.long
def test_nothing_is_left_behind_when_it_is_killed(tmp_path: Path) -> None:
    process, _ = start_up(tmp_path / "data", "--runners", "1")
    children = psutil.Process(process.pid).children(recursive=True)

    process.kill()
    process.wait()

    wait_until(lambda: not any(map(alive, children)))


@pytest.mark.long
def test_a_dead_orchestrator_is_started_again(tmp_path: Path) -> None:
    process, places = start_up(tmp_path / "data", "--runners", "0")
    try:
        children = psutil.Process(process.pid).children()
        former = next(child for child in children if "orchestrator" in child.cmdline())
        former.kill()

        wait_until(lambda: not alive(former))
        wait_until(lambda: answers(f"{places['url']}/ready"), patience_s=40)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)

    assert "orchestrator ended unexpectedly" in (tmp_path / "up.log").read_text()


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(true: Callable[[], bool], *, patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
