"""Who may sign in, who is signed in, and who has tried."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from redis.asyncio import Redis
from supercog_shared import cache
from supercog_shared.database import Pool
from supercog_shared.settings import instance_id

from supercog_dashboard.settings import Dashboard

COOKIE = "__Host-session"
WINDOW_SECONDS = 300
ATTEMPTS_PER_CLIENT = 10
ATTEMPTS_PER_EMAIL = 30


def client_of(request: Request) -> str:
    """Caddy tells the address, and this port is reached through Caddy only. IPv6 networks count as one client."""
    told = request.headers.get("X-Client-Ip") or (request.client.host if request.client else "")
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(address)


def is_admin(settings: Dashboard, email: str, password: str) -> bool:
    """Both are always compared, so that the time tells nothing."""
    same_email = hmac.compare_digest(email.strip().lower().encode(), settings.admin_email.encode())
    same_password = hmac.compare_digest(password.encode(), settings.admin_password.encode())
    return same_email and same_password


def _counters(email: str, client: str) -> tuple[str, str]:
    return f"login:client:{client}", cache.hidden("login:email", email)


async def may_try(redis: Redis, email: str, client: str) -> bool:
    by_client, by_email = [await cache.count(redis, name, WINDOW_SECONDS) for name in _counters(email, client)]
    return by_client <= ATTEMPTS_PER_CLIENT and by_email <= ATTEMPTS_PER_EMAIL


async def trusted(redis: Redis, email: str, client: str) -> None:
    """A success ends the counting: only failures in a row lock out."""
    await cache.uncount(redis, *_counters(email, client))


async def record(pool: Pool, email: str, succeeded: bool, client: str) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO logins (email, succeeded, client, instance) VALUES (%s, %s, %s, %s)",
            (email, succeeded, client, instance_id()),
        )


async def current(request: Request) -> str:
    secret = request.cookies.get(COOKIE)
    session = await cache.find(request.app.state.redis, "session", secret) if secret else None
    if session is None:
        raise HTTPException(401, "not signed in")
    return str(session["email"])


User = Annotated[str, Depends(current)]
