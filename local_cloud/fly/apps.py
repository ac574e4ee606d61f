"""Apps (reference fly 2.1)."""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from local_cloud.fly import names
from local_cloud.fly.addresses import Addresses
from local_cloud.fly.certificates import Certificates
from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import milliseconds
from local_cloud.fly.machines import Machines, json_body
from local_cloud.fly.volumes import Volumes

Document = dict[str, Any]
PARTS = (
    ("machine", "id"),
    ("volume", "id"),
    ("snapshot", "id"),
    ("secret", "id"),
    ("ip", "id"),
    ("certificate", "hostname"),
)
ASLEEP = ("stopped", "suspended", "created", "failed")


class Apps:
    """Handlers on apps, and what hangs on them."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.cloud = machines.cloud
        self.store = machines.cloud.store
        self.addresses = Addresses(machines)
        self.certificates = Certificates(machines, self.addresses)
        self.volumes = Volumes(machines)
        self._leaving: set[str] = set()

    def shown(self, app: Document) -> Document:
        """As the API gives it."""
        name = app["name"]
        volumes = [v for v in self.store.list("volume") if v["app"] == name and v["state"] != "pending_destroy"]
        machines = self.machines.of_app(name)
        awake = any(machine["state"] not in ASLEEP for machine in machines)
        return {
            "id": app["id"],
            "name": name,
            "internal_numeric_id": app["number"],
            "network": app["network"],
            "status": "suspended" if app["status"] == "deployed" and not awake else app["status"],
            "machine_count": len(machines),
            "volume_count": len(volumes),
            "organization": {"name": app["org"], "slug": app["org"], "internal_numeric_id": 1},
            "app_role": app.get("app_role", ""),
            "cname_target": f"{app['id']}.{name}.fly.{self.cloud.settings.suffix}",
        }

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        name, org, key = body.get("name") or body.get("app_name"), body.get("org_slug"), body.get("idempotency_key")
        if not names.is_app(name):
            raise fly_error(400, "Name may only contain numbers, lowercase letters and dashes, 63 characters at most")
        if not org:
            raise fly_error(400, "org_slug is required")
        if org not in names.ORGS:
            raise fly_error(404, f"organization not found: {org}")
        network = body.get("network") or "default"
        if not names.is_network(network):
            raise fly_error(422, f"network {network!r} must begin with a letter and hold letters, numbers and dashes")
        first = next((app for app in self.store.list("app") if key and app.get("idempotency_key") == key), None)
        if first and first["name"] != name:
            raise fly_error(422, "idempotency_key was used for another app")
        if first:
            return web.json_response({"id": first["id"], "created_at": first["created_at"]}, status=201)
        if self.store.get("app", str(name)) or name in names.FOREIGN:
            raise fly_error(422, "Validation failed: Name has already been taken", "name_taken")
        app = {
            "id": secrets.token_hex(8),
            "name": name,
            "number": self.store.next("app"),
            "org": org,
            "network": network,
            "status": "pending",
            "secrets_version": 0,
            "created_at": milliseconds(),
            "idempotency_key": key,
            "app_role": body.get("app_role_id") or "",
        }
        self.store.put("app", str(name), app)
        return web.json_response({"id": app["id"], "created_at": app["created_at"]}, status=201)

    async def index(self, request: web.Request) -> web.Response:
        org, role = request.query.get("org_slug"), request.query.get("app_role")
        if not org:
            raise fly_error(400, "org_slug is required")
        if org not in names.ORGS:
            raise fly_error(404, f"organization not found: {org}")
        found = [app for app in self.store.list("app") if app["org"] == org]
        shown = [self.shown(app) for app in found if not role or app.get("app_role") == role]
        return web.json_response({"total_apps": len(shown), "apps": shown})

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.machines.app(request)))

    async def delete(self, request: web.Request) -> web.Response:
        """202: all of it goes in the background; the name is free when a read says 404."""
        app = self.machines.app(request)
        machines = self.machines.of_app(app["name"])
        running = [machine["id"] for machine in machines if machine["state"] not in ASLEEP]
        if running and request.query.get("force") not in ("true", "1"):
            raise fly_error(412, f"failed_precondition: machines {', '.join(running)} run; stop them, or use force")
        if app["name"] not in self._leaving:
            self._leaving.add(app["name"])
            self.cloud.spawn(self._remove(app["name"]))
        return web.Response(status=202)

    async def _remove(self, app: str) -> None:
        """Asked again after a failure, or after a restart in between, it goes on."""
        try:
            while machines := self.machines.of_app(app):
                for machine in machines:
                    await self.machines.runner.destroy(machine["id"])
            await self.volumes.drop(app)
            for kind, key in PARTS:
                for item in self.store.list(kind):
                    if item.get("app") == app:
                        self.store.delete(kind, item[key])
            self.store.delete("app", app)
        finally:
            self._leaving.discard(app)
