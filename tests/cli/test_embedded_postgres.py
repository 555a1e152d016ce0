"""The embedded PostgreSQL: starts anywhere, survives crashes, ends with its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from penstock_cli.embedded.postgres import Postgres, processes_on
from penstock_cli.errors import StartFailed

SUPERVISOR = """
import sys, time
from pathlib import Path
from penstock_cli.embedded.postgres import Postgres
server = Postgres(folder=Path(sys.argv[1]), log=Path(sys.argv[1]) / "log", durable=False)
server.start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(folder=tmp_path / "postgres", log=tmp_path / "log", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def zombie() -> Iterator[int]:
    """The pid of a process that ended and that nobody has waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    _wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    yield process.pid
    process.wait()


async def test_data_survives_a_kill_and_a_restart(server: Postgres) -> None:
    await _execute(server, "create table kept (id int)")

    server.kill()
    server.start()

    assert await _execute(server, "insert into kept values (1)") == "INSERT 0 1"


async def test_every_connection_needs_the_password(server: Postgres) -> None:
    url = server.url().replace(server.password, "wrong")

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_it_is_not_reachable_over_tcp_unless_asked(server: Postgres) -> None:
    listening = psutil.Process(server.pid).net_connections(kind="tcp")

    assert listening == []


async def test_its_socket_folder_goes_with_it(tmp_path: Path) -> None:
    server = Postgres(folder=tmp_path / "p", log=tmp_path / "log", durable=False)
    server.start()
    while_up = (server.sockets.stat().st_mode & 0o777, len(os.fsencode(server.sockets / ".s.PGSQL.5432")))
    server.stop()

    assert while_up[0] == 0o700
    assert while_up[1] <= 107  # what a socket's address can hold
    assert not server.sockets.exists()


async def test_fsync_is_on_unless_a_test_says_otherwise(tmp_path: Path) -> None:
    server = Postgres(folder=tmp_path / "durable", log=tmp_path / "durable.log")
    server.start()
    try:
        connection = await asyncpg.connect(server.url())
        settings = [await connection.fetchval(f"show {name}") for name in ("fsync", "synchronous_commit")]
        await connection.close()
    finally:
        server.stop()

    assert settings == ["on", "on"]


async def test_a_foreign_pid_in_the_lock_file_does_not_stop_the_start(server: Postgres) -> None:
    lock = server.data / "postmaster.pid"
    former = lock.read_text()
    server.kill()
    lock.write_text(former.replace(former.splitlines()[0], str(os.getpid()), 1))

    server.start()

    assert await _execute(server, "select 1") == "SELECT 1"


async def test_a_zombie_in_the_lock_file_does_not_stop_the_start(server: Postgres, zombie: int) -> None:
    lock = server.data / "postmaster.pid"
    former = lock.read_text()
    server.kill()
    lock.write_text(former.replace(former.splitlines()[0], str(zombie), 1))

    server.start()

    assert await _execute(server, "select 1") == "SELECT 1"


def test_killing_the_supervisor_leaves_no_server_behind(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"started\n"
    assert processes_on(tmp_path / "data")

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    _wait_until(lambda: not processes_on(tmp_path / "data"))
    assert "shutting down" in (tmp_path / "log").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
async def test_where_user_namespaces_are_forbidden_root_becomes_another_uid(tmp_path: Path) -> None:
    server = Postgres(folder=tmp_path / "p", log=tmp_path / "log", durable=False, identity="1")
    server.start()
    try:
        assert server.pid is not None
        assert psutil.Process(server.pid).uids().real == 1
        assert await _execute(server, "select 1") == "SELECT 1"
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_why_with_its_log(tmp_path: Path) -> None:
    server = Postgres(folder=tmp_path / "p", log=tmp_path / "log", durable=False)
    server.start()
    server.stop()
    (server.data / "global" / "pg_control").unlink()

    with pytest.raises(StartFailed, match="pg_control"):
        server.start()


async def _execute(server: Postgres, statement: str) -> str:
    connection = await asyncpg.connect(server.url())
    try:
        return str(await connection.execute(statement))
    finally:
        await connection.close()


def _wait_until(true: Callable[[], bool], *, patience_s: float = 15.0) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
