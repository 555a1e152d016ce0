"""The connection pool of the hot statements, and its planner settings."""

from pathlib import Path

import asyncpg

MIGRATIONS = Path(__file__).parent / "migrations"

POOL_CONNECTIONS_MIN = 2
POOL_CONNECTIONS_MAX = 8

# The hot statements join a few hundred values from arrays with large tables by primary key. Statistics of an
# empty table once made the planner choose sequential scans for that; an index nested loop is always right here.
HOT_SETTINGS = {
    "application_name": "penstock-orchestrator",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_mergejoin": "off",
    "enable_hashjoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "timezone": "UTC",
}

COMMAND_TIMEOUT_S = 30.0


async def open_pool(url: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        url,
        min_size=POOL_CONNECTIONS_MIN,
        max_size=POOL_CONNECTIONS_MAX,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings=HOT_SETTINGS,
        reset=_nothing_to_reset,
    )


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Hot statements leave no session state; asyncpg's own reset is one more round trip after each of them."""
