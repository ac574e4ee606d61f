"""The answer to a platform's health check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from fastapi.responses import JSONResponse
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from supercog_shared.settings import instance_id

LIMIT = 3


async def report(parts: Mapping[str, Awaitable[Any]]) -> JSONResponse:
    """503 names the parts that do not answer; why is in the log, not in a public answer."""
    answers = await asyncio.gather(*(_works(name, part) for name, part in parts.items()))
    failed = [name for name, works in zip(parts, answers, strict=True) if not works]
    body: dict[str, Any] = {"status": "failing" if failed else "ok", "instance": instance_id()}
    return JSONResponse(body | ({"failed": failed} if failed else {}), status_code=503 if failed else 200)


async def _works(name: str, part: Awaitable[Any]) -> bool:
    try:
        await asyncio.wait_for(part, LIMIT)
    except (DatabaseError, PoolTimeout, RedisError, OSError) as error:
        print(f"health: {name}: {type(error).__name__}", flush=True)
        return False
    return True
