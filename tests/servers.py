"""The real servers for tests, as fixtures: PostgreSQL with a database for each test, NATS with all its users.

They start in 0.1 s, so nothing is ever replaced by a fake. Both end with pytest, even when it is killed.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from orchestrator.store.database import MIGRATIONS
from penstock.bus import permissions
from penstock.bus.permissions import Permissions
from penstock.postgres.migrate import migrate
from penstock_cli.embedded.nats import USERS_DEFAULT, Nats
from penstock_cli.embedded.ports import free_port
from penstock_cli.embedded.postgres import Postgres

RUNNER = "runner"  # of pool "default"
RUNNER_GPU = "runner-gpu"  # of pool "gpu"
TESTER = "tester"  # may do everything: to look at what others did, and to be the villain

NATS_USERS = {
    **USERS_DEFAULT,
    RUNNER: permissions.runner(user=RUNNER),
    RUNNER_GPU: permissions.runner(user=RUNNER_GPU, pool="gpu"),
    TESTER: Permissions(publish=(">",), subscribe=(">",)),
}

_TEMPLATE = "template_migrated"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One PostgreSQL for the whole session, without fsync."""
    folder = tmp_path_factory.mktemp("postgres")
    server = Postgres(folder=folder, log=folder / "postgres.log", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def template_database(postgres_server: Postgres) -> str:
    """The name of a migrated, empty database that nobody connects to; it is cloned for each test."""
    await _administer(postgres_server, f"create database {_TEMPLATE}")
    connection = await asyncpg.connect(postgres_server.url(_TEMPLATE))
    try:
        await migrate(connection, MIGRATIONS)
    finally:
        await connection.close()
    return _TEMPLATE


@pytest.fixture
async def database(postgres_server: Postgres, template_database: str) -> AsyncIterator[str]:
    """The URL of a migrated database of the test's own, with no row in it."""
    async with new_database(postgres_server, template_database) as url:
        yield url


@asynccontextmanager
async def new_database(server: Postgres, template: str) -> AsyncIterator[str]:
    """The URL of a copy of the template."""
    name = f"test_{uuid4().hex[:12]}"
    # The default strategy, wal_log, takes ten times as long.
    await _administer(server, f"create database {name} template {template} strategy file_copy")
    yield server.url(name)
    await _administer(server, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """One NATS for the whole session; what a test leaves in its streams, the next one finds."""
    yield from _nats(tmp_path_factory.mktemp("nats"))


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[Nats]:
    """A NATS of the test's own, empty, to fill or to kill."""
    yield from _nats(tmp_path / "nats")


def _nats(folder: Path) -> Iterator[Nats]:
    server = Nats(folder=folder, log=folder / "nats.log", port=free_port(), users=NATS_USERS)
    server.start()
    yield server
    server.stop()


async def _administer(server: Postgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
