"""Runs of agents: a table that is also the queue, so that no run is lost with the machine that took it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout
from redis.asyncio import Redis
from redis.exceptions import RedisError
from supercog_shared import cache, lifecycle
from supercog_shared.database import Pool
from supercog_shared.settings import instance_id

from supercog_engine import work

POLL_SECONDS = 1
PROMPT_LIMIT = 20_000
_SHOWN = "id, origin, owner, prompt, status, instance, result, created_at, finished_at"
_CLAIM = f"""
UPDATE runs SET status = 'running', instance = %s, lease_until = now() + interval '60 seconds'
WHERE id = (
  SELECT id FROM runs WHERE status = 'queued' OR (status = 'running' AND lease_until < now())
  ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING {_SHOWN}
"""
_FINISH = """
UPDATE runs SET status = 'done', result = %s, finished_at = now(), lease_until = NULL
WHERE id = %s AND instance = %s AND status = 'running'
"""
_SIMILAR = """
SELECT other.id FROM runs, runs AS other
WHERE runs.id = %s AND other.id <> runs.id ORDER BY cosine_distance(other.embedding, runs.embedding), other.id LIMIT 3
"""


async def create(pool: Pool, redis: Redis, identifier: UUID, origin: str, owner: str, prompt: str) -> dict[str, Any]:
    """Queue a run. The same identifier twice is one run."""
    prompt = prompt.replace("\0", "")[:PROMPT_LIMIT]  # PostgreSQL's text has no NUL
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO runs (id, origin, owner, prompt, embedding) VALUES (%s, %s, %s, %s, %s::real[]::vector)"
            " ON CONFLICT (id) DO NOTHING",
            (identifier, origin, owner, prompt, work.embedding(prompt)),
        )
    await _tell(redis, identifier, "queued")
    run = await get(pool, identifier)
    assert run is not None  # runs are never removed
    return run


async def recent(pool: Pool) -> list[dict[str, Any]]:
    async with pool.connection() as connection:
        found = await connection.execute(f"SELECT {_SHOWN} FROM runs ORDER BY created_at DESC LIMIT 50")
        return await found.fetchall()


async def get(pool: Pool, identifier: UUID) -> dict[str, Any] | None:
    async with pool.connection() as connection:
        found = await connection.execute(f"SELECT {_SHOWN} FROM runs WHERE id = %s", (identifier,))
        run = await found.fetchone()
        if run is None:
            return None
        similar = await connection.execute(_SIMILAR, (identifier,))
        return run | {"similar": [row["id"] for row in await similar.fetchall()]}


async def worker(pool: Pool, redis: Redis, storage: Path) -> None:
    """Take queued runs until told to stop. An outage of the database delays runs; it does not end the service."""
    while not lifecycle.stopping():
        try:
            taken = await _take(pool, redis, storage)
        except (DatabaseError, PoolTimeout, OSError) as error:
            print(f"runs: {type(error).__name__}: {error}", flush=True)
            taken = False
        if not taken:
            await asyncio.sleep(POLL_SECONDS)


async def alive(task: asyncio.Task[None]) -> None:
    """Part of the health report."""
    if task.done():
        raise OSError("the worker has ended")


async def _take(pool: Pool, redis: Redis, storage: Path) -> bool:
    async with pool.connection() as connection:
        run = await (await connection.execute(_CLAIM, (instance_id(),))).fetchone()
    if run is None:
        return False
    await _tell(redis, run["id"], "running")
    result = work.answer(run["prompt"])
    await asyncio.to_thread(_write, storage, run["id"], result)
    async with pool.connection() as connection:
        await connection.execute(_FINISH, (json.dumps(result), run["id"], instance_id()))
    await _tell(redis, run["id"], "done")
    return True


def _write(storage: Path, identifier: UUID, result: dict[str, Any]) -> None:
    folder = storage / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{identifier}.part"
    part.write_text(json.dumps(result, indent=2) + "\n")
    part.replace(folder / f"{identifier}.json")


async def stored(storage: Path, identifier: UUID) -> dict[str, Any] | None:
    """The file of a run, if this machine has it."""
    path = storage / "runs" / f"{identifier}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(await asyncio.to_thread(path.read_text))
    return found


async def _tell(redis: Redis, identifier: UUID, status: str) -> None:
    try:
        await cache.publish(redis, {"id": str(identifier), "status": status})
    except (RedisError, OSError) as error:  # an event is a convenience, the table is the truth
        print(f"runs: event not published: {type(error).__name__}", flush=True)
