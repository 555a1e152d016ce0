"""What the driver raises when the database cannot be reached now, and a later try may do."""

import asyncpg

DATABASE_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server has said that it dies, and its connection has not closed yet
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it shuts down or starts up
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # a deadlock: it was not written
)
