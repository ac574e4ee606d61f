"""Tokens with their scopes, and the rate limit (reference digitalocean 1)."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud, bearer, same
from local_cloud.digitalocean.errors import body

HOUR, MINUTE = (3600, 5000), (60, 250)
VERBS = {"GET": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
CREDENTIALS = "database:view_credentials"
SCOPES = frozenset(
    {f"database:{verb}" for verb in VERBS.values()}
    | {CREDENTIALS, "account:read", "regions:read", "vpc:read", "project:read", "project:assign_resource"}
    | {"tag:create", "tag:read", "tag:delete"}
)
NEEDED = "digitalocean_scopes"


class Access:
    """Decides about each request before its handler does."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._seen: deque[float] = deque(maxlen=HOUR[1])

    def check(self, request: web.Request) -> web.Response | None:
        """An answer if the request may not pass."""
        scopes = self._scopes(bearer(request, "Bearer"))
        if scopes is None:
            return web.json_response(body(401, "Unable to authenticate you"), status=401)
        wait = self._take()
        if wait and self.cloud.settings.switches.rate_limit:
            told = {"retry-after": str(wait)} if self.cloud.settings.switches.rate_limit_retry_after else {}
            return web.json_response(body(429, "API rate limit exceeded"), status=429, headers=told)
        request[NEEDED] = scopes
        needed = scope_of(request)
        if needed not in scopes:
            return web.json_response(body(403, f"You are missing the required permission {needed}"), status=403)
        return None

    def _scopes(self, given: str | None) -> frozenset[str] | None:
        if same(given, self.cloud.settings.tokens["digitalocean"]):
            return SCOPES
        found = self.cloud.store.get("do_token", given) if given else None
        return frozenset(found["scopes"]) if found else None

    def _take(self) -> int:
        now = time.time()
        lately = sum(at > now - MINUTE[0] for at in self._seen)
        self._seen.append(now)
        oldest = self._seen[-lately] if lately else now
        return max(1, round(oldest + MINUTE[0] - now)) if lately >= MINUTE[1] else 0

    async def headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Every answer tells what is left of the hour."""
        now = time.time()
        within = [at for at in self._seen if at > now - HOUR[0]]
        response.headers["ratelimit-limit"] = str(HOUR[1])
        response.headers["ratelimit-remaining"] = str(max(0, HOUR[1] - len(within)))
        response.headers["ratelimit-reset"] = str(int((within[0] if within else now) + HOUR[0]))

    async def make(self, request: web.Request) -> web.Response:
        """Control API: a token with some of the scopes."""
        scopes = (await request.json())["scopes"]
        unknown = sorted(set(scopes) - SCOPES)
        if unknown:
            raise ValueError(f"scopes: {', '.join(unknown)} is no scope; known are {', '.join(sorted(SCOPES))}")
        token = f"dop_v1_{secrets.token_hex(32)}"
        self.cloud.store.put("do_token", token, {"scopes": scopes})
        return web.json_response({"token": token})


def scope_of(request: web.Request) -> str:
    """The scope that a request needs."""
    kind = request.path.removeprefix("/v2/").split("/")[0]
    if kind == "projects" and request.method == "POST":
        return "project:assign_resource"
    if kind == "tags" and request.path.endswith("/resources"):
        return "tag:create" if request.method == "POST" else "tag:delete"
    resource = {"databases": "database", "tags": "tag", "projects": "project", "vpcs": "vpc"}.get(kind, kind)
    return f"{resource}:{VERBS.get(request.method, 'read')}"


def sees_credentials(request: web.Request) -> bool:
    """Whether passwords may be in the answer."""
    found: Any = request.get(NEEDED, SCOPES)
    return CREDENTIALS in found
