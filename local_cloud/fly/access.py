"""Who may do what: the organisation's token, read-only tokens, and deploy tokens of one app (reference fly 1.2)."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud, same
from local_cloud.fly.durations import seconds
from local_cloud.fly.errors import fly_error, refuse

LIFETIME = 175_200 * 3600.0
KINDS = ("org", "readonly", "deploy")
EVERYWHERE = ("/v1/platform/regions", "/v1/platform/placements", "/v1/tokens/current")
SCHEME = re.compile(r"^(bearer|flyv1)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Grant:
    """What a token allows."""

    kind: str
    id: str = "1"
    apps: list[str] = field(default_factory=list)

    def allows(self, method: str, path: str) -> bool:
        """Whether a request is within its scope."""
        if self.kind == "org" or path in EVERYWHERE:
            return True
        if self.kind == "readonly":
            return method in ("GET", "HEAD")
        return any(path == f"/v1/apps/{app}" or path.startswith(f"/v1/apps/{app}/") for app in self.apps)


class Access:
    """The tokens of an instance. Only hashes of those that it hands out are kept."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def grant(self, kind: str, apps: list[str], lifetime: float = LIFETIME) -> str:
        """Make a token; its text is not seen again."""
        token = "fm2_" + secrets.token_urlsafe(32)
        key = _key(token)
        kept = {"id": key, "number": self.cloud.store.next("fly_token", 2), "kind": kind, "apps": apps}
        self.cloud.store.put("fly_token", key, {**kept, "expires_at": time.time() + lifetime})
        return token

    def holder(self, request: web.Request) -> Grant | None:
        """What the caller may do; None without a valid token. The first of several joined tokens that is known counts."""
        text = request.headers.get("Authorization", "")
        if not SCHEME.match(text):
            return None
        while SCHEME.match(text):  # printed tokens carry their scheme; some callers put another before it
            text = SCHEME.sub("", text, count=1)
        for token in text.strip().split(","):
            if same(token, self.cloud.settings.tokens["fly"]):
                return Grant("org")
            found = self.cloud.store.get("fly_token", _key(token))
            if found and found["expires_at"] > time.time():
                return Grant(found["kind"], str(found["number"]), found["apps"])
        return None

    def check(self, request: web.Request) -> web.Response | None:
        """An answer that refuses, or None."""
        if request.path == "/v1/platform/regions":
            return None
        grant = self.holder(request)
        if grant is None:
            return web.json_response({"message": "Unauthorized"}, status=401)
        if not grant.allows(request.method, request.path):
            message = f"unauthorized: the {grant.kind} token does not allow {request.method} {request.path}"
            return web.json_response({"error": message, "status": "unknown"}, status=403)
        return None

    async def current(self, request: web.Request) -> web.Response:
        grant = self.holder(request) or Grant("org")
        token: dict[str, Any] = {"token_id": grant.id, "org_slug": "personal", "organization": "personal"}
        token.update(apps=grant.apps, user="", restricted_to_machine="", source_machine_id="")
        return web.json_response({"tokens": [token]})

    async def deploy_token(self, request: web.Request) -> web.Response:
        app = request.match_info["app"]
        if self.cloud.store.get("app", app) is None:
            raise fly_error(404, f"app not found: {app}")
        try:
            body = await request.json() if request.body_exists else {}
            lifetime = seconds(body.get("expiry"), LIFETIME)
        except (ValueError, AttributeError) as problem:
            raise refuse(f"expiry: {problem}") from None
        return web.json_response({"token": self.grant("deploy", [app], lifetime)})


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
