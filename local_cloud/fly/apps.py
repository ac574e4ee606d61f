"""Apps, addresses and certificates (reference fly 2.1, 2.11, 2.12)."""

from __future__ import annotations

import re
import secrets
from typing import Any

from aiohttp import web

from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import now
from local_cloud.fly.machines import Machines, json_body

KINDS = ("v4", "v6", "shared_v4", "private_v6", "egress_v4", "egress_v6", "egress_pair")
ORGS = ("personal", "supercog", "acme")
SHARED = "66.241.125.10"


class Apps:
    """Handlers on apps and what hangs on them."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.cloud = machines.cloud
        self.store = machines.cloud.store

    def shown(self, app: dict[str, Any]) -> dict[str, Any]:
        """As the API gives it."""
        volumes = [volume for volume in self.store.list("volume") if volume["app"] == app["name"]]
        return {
            "id": app["id"],
            "name": app["name"],
            "internal_numeric_id": app["number"],
            "network": app["network"],
            "status": app["status"],
            "machine_count": len(self.machines.of_app(app["name"])),
            "volume_count": len(volumes),
            "organization": {"name": app["org"], "slug": app["org"], "internal_numeric_id": 1},
        }

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        name, org = body.get("name") or body.get("app_name"), body.get("org_slug")
        if not name or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) or len(name) > 63:
            raise fly_error(400, "Name may only contain numbers, lowercase letters and dashes")
        if not org:
            raise fly_error(400, "org_slug is required")
        if org not in ORGS:
            raise fly_error(404, f"organization not found: {org}")
        if self.store.get("app", name):
            raise fly_error(422, "Validation failed: Name has already been taken", "name_taken")
        app = {
            "id": secrets.token_hex(8),
            "name": name,
            "number": self.store.next("app"),
            "org": org,
            "network": body.get("network") or "default",
            "status": "pending",
            "secrets_version": 0,
        }
        self.store.put("app", name, app)
        return web.json_response({"id": app["id"], "created_at": 0}, status=201)

    async def index(self, request: web.Request) -> web.Response:
        org = request.query.get("org_slug")
        if not org:
            raise fly_error(400, "org_slug is required")
        found = [self.shown(app) for app in self.store.list("app") if app["org"] == org]
        return web.json_response({"total_apps": len(found), "apps": found})

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.machines.app(request)))

    async def delete(self, request: web.Request) -> web.Response:
        app = self.machines.app(request)["name"]
        running = self.machines.of_app(app)
        if running and request.query.get("force") not in ("true", "1"):
            raise fly_error(412, "failed_precondition: the app has machines; stop them first, or use force")
        for machine in running:
            await self.machines.runner.destroy(machine["id"])
        for volume in self.store.list("volume"):
            if volume["app"] == app:
                await self.cloud.docker.remove_volume(self.machines.runner.volume(volume["id"]))
        for kind, key in (
            ("machine", "id"),
            ("volume", "id"),
            ("secret", "id"),
            ("ip", "id"),
            ("certificate", "hostname"),
        ):
            for item in self.store.list(kind):
                if item["app"] == app:
                    self.store.delete(kind, item[key])
        self.store.delete("app", app)
        return web.Response(status=202)

    # Addresses

    def ips(self, app: str) -> list[dict[str, Any]]:
        """Addresses of an app."""
        return [item for item in self.store.list("ip") if item["app"] == app]

    async def list_ips(self, request: web.Request) -> web.Response:
        found = self.ips(self.machines.app(request)["name"])
        return web.json_response({"ips": [_address(item) for item in found]})

    async def assign_ip(self, request: web.Request) -> web.Response:
        app, body = self.machines.app(request)["name"], await json_body(request)
        kind = body.get("type")
        if kind not in KINDS:
            raise fly_error(400, f"invalid_argument: unknown ip type {kind}")
        if kind == "egress_pair":
            pair = {side: self.keep(app, f"egress_{side}", body)["ip"] for side in ("v4", "v6")}
            return web.json_response({"ip": pair["v4"], "ip_pair": pair})
        if kind == "shared_v4" and any(item["shared"] for item in self.ips(app)):
            raise fly_error(422, "the app has a shared address already")
        return web.json_response(_address(self.keep(app, str(kind), body)))

    def keep(self, app: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make one address."""
        number = self.store.next("ip")
        address = {
            "v4": f"137.66.{number // 250}.{number % 250 + 1}",
            "egress_v4": f"209.71.{number // 250}.{number % 250 + 1}",
            "v6": f"2a09:8280:1::{number:x}:0",
            "egress_v6": f"2605:4c40::{number:x}",
            "private_v6": f"fdaa:0:1::{number:x}",
            "shared_v4": SHARED,
        }[kind]
        item: dict[str, Any] = {
            "id": f"{app}/{address}",
            "app": app,
            "ip": address,
            "region": body.get("region") or ("" if kind == "shared_v4" else "global"),
            "service_name": body.get("service_name") or "",
            "shared": kind == "shared_v4",
            "egress": kind.startswith("egress"),
            "network": {"name": body.get("network") or "default", "org_slug": "personal"}
            if kind == "private_v6"
            else None,
            "created_at": now(),
        }
        return self.store.put("ip", item["id"], item)

    async def release_ip(self, request: web.Request) -> web.Response:
        app, address = self.machines.app(request)["name"], request.match_info["ip"]
        if not self.store.get("ip", f"{app}/{address}"):
            raise fly_error(404, "ip address not found")
        self.store.delete("ip", f"{app}/{address}")
        return web.Response(status=204)

    # Certificates

    def certificate(self, request: web.Request) -> dict[str, Any]:
        """The certificate of the path."""
        found = self.store.get("certificate", request.match_info["hostname"])
        if found is None or found["app"] != self.machines.app(request)["name"]:
            raise fly_error(404, "certificate not found")
        return found

    def detail(self, item: dict[str, Any]) -> dict[str, Any]:
        """As the API gives one."""
        app, host = item["app"], item["hostname"]
        source = "custom" if item["custom"] else "fly"
        return {
            "hostname": host,
            "configured": True,
            "acme_requested": not item["custom"],
            "status": "active",
            "dns_provider": "",
            "rate_limited_until": None,
            "certificates": [{"source": source, "status": "active", "created_at": item["created_at"], "issued": []}],
            "validation": {
                "dns_configured": True,
                "alpn_configured": True,
                "http_configured": True,
                "ownership_txt_configured": True,
            },
            "dns_requirements": {
                "a": [i["ip"] for i in self.ips(app) if "." in i["ip"] and not i["egress"]],
                "aaaa": [i["ip"] for i in self.ips(app) if i["ip"].startswith("2a09")],
                "cname": f"{app}.fly.{self.cloud.settings.suffix}",
                "acme_challenge": {"name": f"_acme-challenge.{host}", "target": f"{host}.{app}.flydns.net"},
                "ownership": {"name": f"_fly-ownership.{host}", "app_value": f"app-{app}", "org_value": "org-1"},
            },
            "validation_errors": [],
        }

    async def list_certificates(self, request: web.Request) -> web.Response:
        app = self.machines.app(request)["name"]
        found = [self.detail(item) for item in self.store.list("certificate") if item["app"] == app]
        return web.json_response({"certificates": found, "next_cursor": "", "total_count": len(found)})

    async def add_certificate(self, request: web.Request) -> web.Response:
        app, body = self.machines.app(request)["name"], await json_body(request)
        host, custom = body.get("hostname"), request.path.endswith("/custom")
        if not host or not re.fullmatch(r"(\*\.)?([a-z0-9-]+\.)+[a-z0-9-]+", host):
            raise fly_error(422, "hostname is not valid")
        taken = self.store.get("certificate", host)
        if taken and taken["app"] != app:
            raise fly_error(422, "hostname is used by another app")
        item = {"app": app, "hostname": host, "custom": custom, "created_at": now()}
        if custom:
            item.update(fullchain=body.get("fullchain", ""), private_key=body.get("private_key", ""))
        self.store.put("certificate", host, item)
        return web.json_response(self.detail(item), status=201)

    async def get_certificate(self, request: web.Request) -> web.Response:
        return web.json_response(self.detail(self.certificate(request)))

    async def check_certificate(self, request: web.Request) -> web.Response:
        made = self.detail(self.certificate(request))
        wants = made["dns_requirements"]
        records = {
            "a": wants["a"],
            "aaaa": wants["aaaa"],
            "cname": [],
            "resolved_addresses": wants["a"] + wants["aaaa"],
        }
        return web.json_response({**made, "dns_records": records})

    async def delete_certificate(self, request: web.Request) -> web.Response:
        self.store.delete("certificate", self.certificate(request)["hostname"])
        return web.Response(status=204)


def _address(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("id", "app")}
