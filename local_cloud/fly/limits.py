"""Rate limits: per action and identifier, with bursts (reference fly 1.5). Off unless ``rate_limit`` is on."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.errors import fly_error

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Rule = tuple[float, int]  # requests per second, burst
ORDINARY: Rule = (1.0, 3)
RULES: dict[tuple[str, str], Rule] = {
    ("GET", "/v1/apps/{app}/machines/{machine}"): (5.0, 10),
    ("DELETE", "/v1/apps/{app}"): (100 / 60, 100),
}


class Buckets:
    """Token buckets by key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[tuple[str, ...], tuple[float, float]] = {}

    def take(self, key: tuple[str, ...], rule: Rule) -> float:
        """0 if the request may pass, else the seconds until one may."""
        rate, burst = rule
        now = self._clock()
        left, at = self._left.get(key, (float(burst), now))
        left = min(float(burst), left + (now - at) * rate)
        if left < 1:
            self._left[key] = (left, now)
            return (1 - left) / rate
        self._left[key] = (left - 1, now)
        return 0.0


def key_of(method: str, route: str, names: dict[str, str]) -> tuple[str, ...] | None:
    """What a request counts for: its action, and the machine or the app; None if it is not limited."""
    if (method, route) == ("DELETE", "/v1/apps/{app}"):
        return (method, route)  # deletions of apps count together
    identifier = names.get("machine") or names.get("app")
    return (method, route, identifier) if identifier else None


def middleware(cloud: Cloud) -> Any:
    """Refuses what comes too fast with a 429."""
    buckets = Buckets()

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if not cloud.settings.switches.rate_limit or resource is None:
            return await handler(request)
        key = key_of(request.method, resource.canonical, dict(request.match_info))
        wait = buckets.take(key, RULES.get((key[0], key[1]), ORDINARY)) if key else 0.0
        if wait:
            problem = fly_error(429, "rate limit exceeded")
            if cloud.settings.switches.rate_limit_retry_after:
                problem.headers["Retry-After"] = str(math.ceil(wait))
            raise problem
        return await handler(request)

    return limit
