"""Redis: sessions, counters and events that all machines share."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis

from supercog_shared import lifecycle

SESSION_SECONDS = 12 * 3600
EVENTS = "runs"


def connect(url: str) -> Redis:
    # Options such as ssl_ca_certs=/path may follow in the URL.
    return Redis.from_url(
        url, decode_responses=True, health_check_interval=30, socket_timeout=5, socket_connect_timeout=5
    )


def hidden(kind: str, secret: str) -> str:
    """A key that does not give away what it was made from: a reader of Redis cannot take over a session."""
    return f"{kind}:{hashlib.sha256(secret.encode()).hexdigest()}"


async def keep(redis: Redis, kind: str, value: dict[str, Any], seconds: int) -> str:
    """Keep a value and give the secret that finds it again."""
    secret = secrets.token_urlsafe(32)
    await redis.set(hidden(kind, secret), json.dumps(value), ex=seconds)
    return secret


async def find(redis: Redis, kind: str, secret: str) -> dict[str, Any] | None:
    found = await redis.get(hidden(kind, secret))
    return json.loads(found) if found else None


async def take(redis: Redis, kind: str, secret: str) -> dict[str, Any] | None:
    """As find, but only once."""
    found = await redis.getdel(hidden(kind, secret))
    return json.loads(found) if found else None


async def forget(redis: Redis, kind: str, secret: str) -> None:
    await redis.delete(hidden(kind, secret))


async def count(redis: Redis, name: str, seconds: int) -> int:
    """How often this was called for the name within the window."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.incr(f"count:{name}")
        pipe.expire(f"count:{name}", seconds, nx=True)
        return int((await pipe.execute())[0])


async def uncount(redis: Redis, *names: str) -> None:
    await redis.delete(*(f"count:{name}" for name in names))


async def publish(redis: Redis, event: dict[str, Any]) -> None:
    await redis.publish(EVENTS, json.dumps(event))


async def events(redis: Redis) -> AsyncIterator[dict[str, Any] | None]:
    """Events as they come, None about once a second without any, until the process is told to stop."""
    async with redis.pubsub() as channel:
        await channel.subscribe(EVENTS)
        while not lifecycle.stopping():
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=1)
            yield json.loads(message["data"]) if message else None
