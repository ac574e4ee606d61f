"""Brings the database up to date: python -m supercog_dashboard.migrate. A release command, and part of every start."""

from __future__ import annotations

import asyncio
from pathlib import Path

from supercog_shared import database
from supercog_shared.settings import Environment


async def dashboard(pool: database.Pool) -> None:
    await database.migrate(pool, (Path(__file__).parent / "schema.sql").read_text())


async def main() -> None:
    env = Environment()
    url = env.text("DATABASE_URL")
    env.check()
    async with database.pool(url) as pool:
        await pool.wait(database.CONNECT_SECONDS)
        await dashboard(pool)
    print("migrate: the database is up to date", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
