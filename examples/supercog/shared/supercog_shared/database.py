"""PostgreSQL: one small pool per database, and migrations that any number of machines may start at once."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]
CONNECT_SECONDS = 30
_MIGRATION_LOCK = 0x5C09


def pool(url: str) -> Pool:
    # Prepared statements do not survive a connection pooler such as PgBouncer.
    options: dict[str, Any] = {"row_factory": dict_row, "prepare_threshold": None, "connect_timeout": 5}
    return AsyncConnectionPool(
        url, kwargs=options, min_size=1, max_size=4, open=False, check=AsyncConnectionPool.check_connection
    )


async def start(database: Pool) -> None:
    await database.open()
    await database.wait(CONNECT_SECONDS)


async def migrate(database: Pool, schema: str, extensions: tuple[str, ...] = ()) -> None:
    """Apply an idempotent schema. The lock ends with the transaction, so a pooler may be in between."""
    async with database.connection() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        found = await connection.execute("SELECT extname FROM pg_extension")
        missing = set(extensions) - {row["extname"] for row in await found.fetchall()}
        if missing:
            name = connection.info.dbname
            raise RuntimeError(f"database {name} lacks {', '.join(sorted(missing))}; CREATE EXTENSION needs an admin")
        await connection.execute(schema.encode())


async def answers(database: Pool) -> None:
    async with database.connection(timeout=2) as connection:
        await connection.execute("SELECT 1")
