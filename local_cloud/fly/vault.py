"""App secrets: written, never given back (reference fly 2.9)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from aiohttp import web

from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import now
from local_cloud.fly.machines import Machines, json_body
from local_cloud.fly.names import is_secret


class Vault:
    """Handlers on the secrets of an app. Machines get them when they boot."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.store = machines.cloud.store

    def of_app(self, app: str) -> list[dict[str, Any]]:
        """Secrets of an app."""
        return [item for item in self.store.list("secret") if item["app"] == app]

    def shown(self, item: dict[str, Any]) -> dict[str, Any]:
        """Without the value."""
        return {key: item[key] for key in ("name", "digest", "created_at", "updated_at")}

    def write(self, app: dict[str, Any], values: dict[str, str | None]) -> int:
        """Set and remove in one version; its number."""
        for name, value in values.items():
            key = f"{app['name']}/{name}"
            if value is None:
                self.store.delete("secret", key)
                continue
            digest = hmac.new(app["id"].encode(), value.encode(), hashlib.sha256).hexdigest()[:16]
            known = self.store.get("secret", key)
            if known and known["digest"] == digest:
                continue  # an equal value moves neither digest nor time
            created = known["created_at"] if known else now()
            item = {"id": key, "app": app["name"], "name": name, "value": value, "digest": digest}
            self.store.put("secret", key, {**item, "created_at": created, "updated_at": now()})
        version = int(app["secrets_version"]) + 1
        self.store.put("app", app["name"], {**app, "secrets_version": version})
        return version

    async def list(self, request: web.Request) -> web.Response:
        """Both spellings of the version are accepted; ``show_secrets`` needs a privilege that our tokens lack."""
        app, wanted = (
            self.machines.app(request),
            request.query.get("min_version") or request.query.get("version") or "0",
        )
        if not wanted.isdigit():
            raise fly_error(400, "invalid_argument: min_version must be a whole number")
        if int(wanted) > int(app["secrets_version"]):
            raise fly_error(
                400, f"invalid_argument: version {wanted} is later than the current {app['secrets_version']}"
            )
        return web.json_response({"secrets": [self.shown(item) for item in self.of_app(app["name"])]})

    async def bulk(self, request: web.Request) -> web.Response:
        app, values = self.machines.app(request), (await json_body(request)).get("values")
        if not isinstance(values, dict) or any(v is not None and not isinstance(v, str) for v in values.values()):
            raise fly_error(400, "invalid_argument: values must be a map of strings or null")
        for name in values:
            _named(name)
        version = self.write(app, values)
        written = [self.shown(item) for item in self.of_app(app["name"]) if item["name"] in values]
        return web.json_response({"secrets": written, "version": version, "Version": version})

    async def one(self, request: web.Request) -> web.Response:
        app, name = self.machines.app(request), request.match_info["name"]
        if request.method == "POST":
            _named(name)
            value = (await json_body(request)).get("value")
            if not isinstance(value, str):
                raise fly_error(400, "invalid_argument: value must be a string")
            version = self.write(app, {name: value})
            item = self.store.get("secret", f"{app['name']}/{name}") or {}
            return web.json_response({**self.shown(item), "version": version, "Version": version}, status=201)
        item = self.store.get("secret", f"{app['name']}/{name}") or {}
        if not item:
            raise fly_error(404, "secret not found")
        if request.method == "DELETE":
            version = self.write(app, {name: None})
            return web.json_response({"version": version, "Version": version})
        return web.json_response(self.shown(item))


def _named(name: str) -> None:
    if not is_secret(name):
        raise fly_error(
            400, f"invalid_argument: {name!r} is no name of a secret: letters, numbers and underscores only"
        )
