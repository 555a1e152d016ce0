"""The notifier's connections, and where its migrations are."""

from pathlib import Path

import asyncpg

MIGRATIONS = Path(__file__).parent / "migrations"
LEDGER = "notifier.schema_migration"

POOL_CONNECTIONS_MIN = 2
POOL_CONNECTIONS_MAX = 8
COMMAND_TIMEOUT_S = 30.0
_SETTINGS = {
    "application_name": "penstock-notifier",
    "search_path": "notifier",  # nothing here reads the orchestrator's tables
    "jit": "off",
    "timezone": "UTC",
}


async def open_pool(url: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        url,
        min_size=POOL_CONNECTIONS_MIN,
        max_size=POOL_CONNECTIONS_MAX,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings=_SETTINGS,
    )
