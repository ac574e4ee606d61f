"""Volumes: a name is a pool; one volume, one machine (reference fly 2.8)."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import now, volume_id
from local_cloud.fly.machines import Machines, json_body
from local_cloud.fly.platform import REGIONS


class Volumes:
    """Handlers on the volumes of an app."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.cloud = machines.cloud
        self.store = machines.cloud.store

    def shown(self, volume: dict[str, Any]) -> dict[str, Any]:
        """As the API gives it."""
        return {key: value for key, value in volume.items() if key not in ("app", "snapshots")}

    def volume(self, request: web.Request) -> dict[str, Any]:
        """The volume of the path."""
        found = self.store.get("volume", request.match_info["volume"])
        if found is None or found["app"] != self.machines.app(request)["name"]:
            raise fly_error(404, f"volume not found: {request.match_info['volume']}")
        return found

    async def list(self, request: web.Request) -> web.Response:
        app = self.machines.app(request)["name"]
        return web.json_response([self.shown(v) for v in self.store.list("volume") if v["app"] == app])

    async def create(self, request: web.Request) -> web.Response:
        app, body = self.machines.app(request)["name"], await json_body(request)
        name, region, size = body.get("name") or "", body.get("region") or "ewr", body.get("size_gb", 3)
        if not re.fullmatch(r"[a-z0-9_]{1,30}", name):
            raise fly_error(400, "invalid_argument: name must be lowercase letters, numbers or underscores, 30 at most")
        if region not in REGIONS:
            raise fly_error(400, f"invalid_argument: region {region} not found")
        if not isinstance(size, int) or not 1 <= size <= 500:
            raise fly_error(400, "invalid_argument: size_gb must be between 1 and 500")
        made = {
            "id": volume_id(),
            "app": app,
            "name": name,
            "state": "created",
            "size_gb": size,
            "region": region,
            "zone": "local",
            "encrypted": body.get("encrypted", True),
            "attached_machine_id": None,
            "attached_alloc_id": None,
            "created_at": now(),
            "fstype": "ext4",
            "snapshot_retention": body.get("snapshot_retention", 5),
            "auto_backup_enabled": body.get("auto_backup_enabled", True),
            "host_status": "ok",
            "snapshots": [],
        }
        await self.cloud.docker.make_volume(self.machines.runner.volume(made["id"]), self.cloud.settings.labels)
        self.store.put("volume", made["id"], made)
        return web.json_response({**self.shown(made), "fstype": ""})

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.volume(request)))

    async def update(self, request: web.Request) -> web.Response:
        volume, body = self.volume(request), await json_body(request)
        retention = body.get("snapshot_retention", volume["snapshot_retention"])
        if not 1 <= retention <= 60:
            raise fly_error(400, "invalid_argument: snapshot_retention must be between 1 and 60")
        backup = body.get("auto_backup_enabled", volume["auto_backup_enabled"])
        volume.update(snapshot_retention=retention, auto_backup_enabled=backup)
        return web.json_response(self.shown(self.store.put("volume", volume["id"], volume)))

    async def extend(self, request: web.Request) -> web.Response:
        volume, size = self.volume(request), (await json_body(request)).get("size_gb", 0)
        if not isinstance(size, int) or size < volume["size_gb"] or size > 500:
            raise fly_error(400, f"invalid_argument: size_gb must be between {volume['size_gb']} and 500")
        volume = self.store.put("volume", volume["id"], {**volume, "size_gb": size})
        return web.json_response({"volume": self.shown(volume), "needs_restart": False})

    async def delete(self, request: web.Request) -> web.Response:
        volume = self.volume(request)
        if volume["attached_machine_id"]:
            raise fly_error(400, f"failed_precondition: volume {volume['id']} is currently bound to a machine")
        await self.cloud.docker.remove_volume(self.machines.runner.volume(volume["id"]))
        volume = self.store.put("volume", volume["id"], {**volume, "state": "pending_destroy"})
        return web.json_response(self.shown(volume))

    async def snapshots(self, request: web.Request) -> web.Response:
        volume = self.volume(request)
        if request.method == "GET":
            return web.json_response(volume["snapshots"])
        made = {
            "id": volume_id().replace("vol_", "vs_"),
            "size": 0,
            "volume_size": volume["size_gb"] * 2**30,
            "digest": "",
            "status": "created",
            "created_at": now(),
            "retention_days": volume["snapshot_retention"],
        }
        self.store.put("volume", volume["id"], {**volume, "snapshots": [made, *volume["snapshots"]]})
        return web.json_response({"Msg": {"backup": {"id": made["id"], "state": "created"}}})
