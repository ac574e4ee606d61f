"""Addresses of an app (reference fly 2.12, 3.3, 3.4)."""

from __future__ import annotations

import ipaddress
from typing import Any

from aiohttp import web

from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import now
from local_cloud.fly.machines import Machines, json_body
from local_cloud.fly.names import ORGS, is_network
from local_cloud.fly.platform import REGIONS

KINDS = ("v4", "v6", "shared_v4", "private_v6", "egress_v4", "egress_v6", "egress_pair")
SHARED = "66.241.125.10"
PRIVATE = 0xF1CA << 32  # private addresses stand apart from those that the engine gives machines
SHOWN = ("ip", "region", "service_name", "shared", "egress", "network", "created_at")
Document = dict[str, Any]


class Addresses:
    """Handlers. A list does not tell the type: clients infer it."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.cloud = machines.cloud
        self.store = machines.cloud.store

    def of_app(self, app: str) -> list[Document]:
        """Addresses of an app."""
        return [item for item in self.store.list("ip") if item["app"] == app]

    async def list(self, request: web.Request) -> web.Response:
        found = self.of_app(self.machines.app(request)["name"])
        return web.json_response({"ips": [_shown(item) for item in found]})

    async def assign(self, request: web.Request) -> web.Response:
        app, body = self.machines.app(request), await json_body(request)
        kind = body.get("type")
        if kind not in KINDS:
            raise fly_error(400, f"invalid_argument: unknown ip type {kind}")
        if body.get("region") not in (None, "", "global", *REGIONS):
            raise fly_error(400, f"invalid_argument: region {body['region']} not found")
        if kind == "egress_pair":
            pair = {side: (await self.keep(app, f"egress_{side}", body))["ip"] for side in ("v4", "v6")}
            return web.json_response({"ip": pair["v4"], "ip_pair": pair})
        if kind == "shared_v4" and any(item["shared"] for item in self.of_app(app["name"])):
            raise fly_error(422, "the app has a shared address already")
        if kind == "private_v6":
            if not is_network(body.get("network") or "default"):
                raise fly_error(422, f"network {body['network']!r} is not valid")
            if (body.get("org_slug") or "personal") not in ORGS:
                raise fly_error(404, f"organization not found: {body['org_slug']}")
        return web.json_response(_shown(await self.keep(app, str(kind), body)))

    async def keep(self, app: Document, kind: str, body: Document) -> Document:
        """Make one address; every call makes another."""
        number = self.store.next("ip")
        address = await self._private(number) if kind == "private_v6" else _public(kind, number)
        network = {"name": body.get("network") or app["network"], "org_slug": body.get("org_slug") or app["org"]}
        item: Document = {
            "id": f"{app['name']}/{address}",
            "app": app["name"],
            "ip": address,
            "region": body.get("region") or ("" if kind == "shared_v4" else "global"),
            "service_name": body.get("service_name") or "",
            "shared": kind == "shared_v4",
            "egress": kind.startswith("egress"),
            "network": network if kind == "private_v6" else None,
            "created_at": now(),
        }
        return self.store.put("ip", item["id"], item)

    async def _private(self, number: int) -> str:
        """An address in the network of the machines, which really answers (local_cloud/flycast.py)."""
        found = await self.cloud.docker.call("GET", f"/networks/{self.cloud.settings.network}")
        subnets = [str(part.get("Subnet")) for part in found["IPAM"]["Config"]]
        six = next(ipaddress.IPv6Network(subnet) for subnet in subnets if ":" in subnet)
        return str(six.network_address + PRIVATE + number)

    async def release(self, request: web.Request) -> web.Response:
        app, address = self.machines.app(request)["name"], request.match_info["ip"]
        if not self.store.get("ip", f"{app}/{address}"):
            raise fly_error(404, f"ip address not found: {address}")
        self.store.delete("ip", f"{app}/{address}")
        return web.Response(status=204)


def _public(kind: str, number: int) -> str:
    return {
        "v4": f"137.66.{number // 250 % 250}.{number % 250 + 1}",
        "egress_v4": f"209.71.{number // 250 % 250}.{number % 250 + 1}",
        "v6": f"2a09:8280:1::{number:x}:0",
        "egress_v6": f"2605:4c40::{number:x}",
        "shared_v4": SHARED,
    }[kind]


def _shown(item: Document) -> Document:
    return {key: item[key] for key in SHOWN}
