"""Brings the databases up to date: python -m supercog_engine.migrate. A release command, and part of every start."""

from __future__ import annotations

import asyncio
from pathlib import Path

from supercog_shared import database
from supercog_shared.settings import Environment

HERE = Path(__file__).parent


async def engine(pool: database.Pool) -> None:
    await database.migrate(pool, (HERE / "schema.sql").read_text(), extensions=("vector",))


async def credentials(pool: database.Pool) -> None:
    await database.migrate(pool, (HERE / "credentials.sql").read_text())


async def main() -> None:
    env = Environment()
    urls = {"DATABASE_URL": engine, "CREDENTIALS_DATABASE_URL": credentials}
    steps = [(env.text(name), step) for name, step in urls.items()]
    env.check()
    for url, step in steps:
        async with database.pool(url) as pool:
            await pool.wait(database.CONNECT_SECONDS)
            await step(pool)
    print("migrate: both databases are up to date", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
