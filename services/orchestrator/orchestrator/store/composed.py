"""The connection for what a person waits for: composed statements over asyncpg, each its own transaction.

The hot loops have connections of their own; this pool is small, so that reading can never starve them.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from penstock.contracts.errors import Unavailable

CONNECTIONS_MAX = 8
POOL_WAIT_S = 5  # longer, and the caller should rather hear "try again later"
CONNECT_S = 5
STATEMENT_MS = 15_000  # a read that takes longer is a wrong question

_SESSION = {
    "application_name": "penstock-http",
    "timezone": "UTC",  # moments inside json_agg are written in the session's zone
    "jit": "off",  # compiling costs more than these statements take
    "statement_timeout": str(STATEMENT_MS),
}
_TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.InterfaceError,
)


class Database:
    """Runs statements; a database that does not answer is `Unavailable`, never a stack."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._transactional = engine

    async def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        """All rows of a read."""
        async with _reachable():
            try:
                return await self._rows(statement)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # A connection from before the database's restart fails at its first use; the next one is new.
            return await self._rows(statement)

    async def row(self, statement: Executable) -> Row[Any] | None:
        rows = await self.rows(statement)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with _reachable(), self._transactional.begin() as connection:
            yield connection

    async def dispose(self) -> None:
        await self._transactional.dispose()

    async def _rows(self, statement: Executable) -> Sequence[Row[Any]]:
        async with self._autocommit.connect() as connection:
            return (await connection.execute(statement)).all()


def open_database(dsn: str) -> Database:
    """`dsn` as asyncpg takes it: postgresql://…, also with a unix socket as host. Connects at first use."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn, timeout=CONNECT_S, server_settings=_SESSION)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        json_deserializer=str,  # JSON stays the text it is: most of it is passed through
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_reset_on_return=None,  # a statement is its own transaction: nothing to roll back
    )
    return Database(engine)


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    """Whatever says that the database is away becomes Unavailable; every other error stays what it is."""
    try:
        yield
    except (OSError, TimeoutError, PoolTimeout, *_TRANSIENT) as error:
        raise Unavailable(f"the database does not answer: {error or type(error).__name__}") from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_transient(error):
            raise Unavailable("the database does not answer") from error
        raise


def _is_transient(error: DBAPIError) -> bool:
    cause: BaseException | None = error.orig
    while cause is not None:
        if isinstance(cause, (OSError, TimeoutError, *_TRANSIENT)):
            return True
        cause = cause.__cause__
    return False
