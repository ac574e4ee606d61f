"""Snapshots of volumes: real copies of the data (reference fly 2.8)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import now, ulid, volume_id
from local_cloud.fly.volumes import Volumes

Document = dict[str, Any]


class Snapshots:
    """Handlers. There is no way to delete one; they go with the app."""

    def __init__(self, volumes: Volumes) -> None:
        self.volumes = volumes
        self.cloud = volumes.cloud
        self.store = volumes.store

    async def list(self, request: web.Request) -> web.Response:
        """Newest first; those of a deleted volume too."""
        volume = self.volumes.volume(request)
        found = [item for item in self.store.list("snapshot") if item["volume"] == volume["id"]]
        shown = [{key: value for key, value in item.items() if key not in ("app", "volume")} for item in found]
        return web.json_response(list(reversed(shown)))

    async def create(self, request: web.Request) -> web.Response:
        """Answered at once; ready when the list says ``created``."""
        volume = self.volumes.usable(request)
        if volume["state"] != "created":
            raise fly_error(412, f"failed_precondition: volume {volume['id']} is {volume['state']}")
        made = {
            "id": volume_id().replace("vol_", "vs_"),
            "app": volume["app"],
            "volume": volume["id"],
            "size": 0,
            "volume_size": volume["size_gb"] * 2**30,
            "digest": "",
            "status": "running",
            "created_at": now(),
            "retention_days": volume["snapshot_retention"],
        }
        self.store.put("snapshot", made["id"], made)
        self.cloud.spawn(self._copy(made))
        return web.json_response({"Msg": {"backup": {"id": made["id"], "state": "running", "graph_id": ulid()}}})

    def restore(self) -> None:
        """After a start of the cloud: make what was begun."""
        for snapshot in self.store.list("snapshot"):
            if snapshot["status"] == "running":
                self.cloud.spawn(self._copy(snapshot))

    async def _copy(self, snapshot: Document) -> None:
        volumes = self.volumes
        async with volumes.lock(snapshot["volume"]):
            data = volumes.data(snapshot["id"])
            await self.cloud.docker.make_volume(data, self.cloud.settings.labels)
            await volumes.copy(volumes.data(snapshot["volume"]), data)
        self.store.put("snapshot", snapshot["id"], {**snapshot, "status": "created", "digest": ulid().lower()})
