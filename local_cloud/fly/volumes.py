"""Volumes: a name is a pool; one volume, one machine (reference fly 2.8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from local_cloud.fly import names
from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import milliseconds, now, volume_id
from local_cloud.fly.machines import Machines, json_body
from local_cloud.fly.platform import REGIONS

Document = dict[str, Any]
ZONES = 6  # pieces of hardware in each region
LARGEST = 500
LINGER = 24 * 3600 * 1000  # a deleted volume is listed for a day
USABLE = ("created", "hydrating")
MUTABLE = ("snapshot_retention", "auto_backup_enabled")
HIDDEN = ("app", "snapshots", "deleted_at", "full", "source")
MOVING = ("creating", "restoring", "extending")


class Volumes:
    """Handlers on the volumes of an app. One lock per volume: data is not copied and removed at once."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.cloud = machines.cloud
        self.store = machines.cloud.store
        self._locks: dict[str, asyncio.Lock] = {}

    def lock(self, volume: str) -> asyncio.Lock:
        """Held while its data is read, written or removed by us."""
        return self._locks.setdefault(volume, asyncio.Lock())

    def shown(self, volume: Document) -> Document:
        """As the API gives it."""
        blocks = volume["size_gb"] * 2**30 // 4096
        sizes = {"block_size": 4096, "blocks": blocks, "blocks_free": blocks, "blocks_avail": blocks}
        return {
            **{key: value for key, value in volume.items() if key not in HIDDEN},
            **sizes,
            "bytes_used": 0,
            "bytes_total": blocks * 4096,
            "type": "local",
        }

    def of_app(self, app: str) -> Iterator[Document]:
        """Volumes of an app; deleted ones for a day."""
        for volume in self.store.list("volume"):
            if volume["app"] == app and milliseconds() - volume.get("deleted_at", milliseconds()) < LINGER:
                yield volume

    def volume(self, request: web.Request) -> Document:
        """The volume of the path."""
        app, wanted = self.machines.app(request)["name"], request.match_info["volume"]
        found = next((volume for volume in self.of_app(app) if volume["id"] == wanted), None)
        if found is None:
            raise fly_error(404, f"volume not found: {wanted}")
        return found

    def usable(self, request: web.Request) -> Document:
        """The volume of the path, if it is not gone."""
        found = self.volume(request)
        if found.get("deleted_at"):
            raise fly_error(404, f"volume not found: {found['id']} is being destroyed")
        return found

    async def list(self, request: web.Request) -> web.Response:
        app = self.machines.app(request)["name"]
        return web.json_response([self.shown(volume) for volume in self.of_app(app)])

    async def of_org(self, request: web.Request) -> web.Response:
        """Volumes of all apps of an organization, in pages."""
        query = request.query
        try:
            limit, start = int(query.get("limit") or 1000), int(query.get("cursor") or 0)
        except ValueError:
            raise fly_error(400, "invalid_argument: limit and cursor must be as they were given") from None
        if limit < 1:
            raise fly_error(400, "invalid_argument: limit must be 1 or more")
        states = [state for value in query.getall("state", []) for state in value.split(",")]
        apps = [app["name"] for app in self.store.list("app") if app["org"] == request.match_info["org"]]
        found = [volume for app in apps for volume in self.of_app(app)]
        found = [v for v in found if query.get("region") in (None, "", v["region"])]
        found = [v for v in found if not states or v["state"] in states]
        page = found[start : start + min(limit, 1000)]
        cursor = str(start + len(page)) if start + len(page) < len(found) else ""
        items = [{**self.shown(v), "app_name": v["app"], "updated_at": v["created_at"]} for v in page]
        return web.json_response({"volumes": items, "next_cursor": cursor, "error_regions": []})

    async def create(self, request: web.Request) -> web.Response:
        app, body = self.machines.app(request)["name"], await json_body(request)
        _check(body)
        source, origin = self._source(app, body)
        size = body.get("size_gb") or (origin or {}).get("size_gb") or 3
        if origin and size < origin["size_gb"]:
            raise fly_error(400, f"invalid_argument: size_gb must be {origin['size_gb']} or more, as the source has")
        region = body.get("region") or (origin or {}).get("region") or "ewr"
        zone = self._zone(app, region, body)
        made = {
            "id": volume_id(),
            "app": app,
            "name": body["name"],
            "state": "restoring" if origin else "creating",
            "size_gb": size,
            "region": region,
            "zone": zone,
            "encrypted": body.get("encrypted", True),
            "attached_machine_id": None,
            "attached_alloc_id": None,
            "created_at": now(),
            "fstype": body.get("fstype") or "ext4",
            "snapshot_retention": body.get("snapshot_retention", 5),
            "auto_backup_enabled": body.get("auto_backup_enabled", True),
            "host_status": "ok",
            "source": source,
            "full": self.is_full(region) and not body.get("compute"),
        }
        await self.cloud.docker.make_volume(self.data(made["id"]), self.cloud.settings.labels)
        self.store.put("volume", made["id"], made)
        self.cloud.spawn(self._ready(made["id"], source))
        return web.json_response({**self.shown(made), "fstype": ""})

    def _source(self, app: str, body: Document) -> tuple[str | None, Document | None]:
        """Docker volume and description of what the new one is a copy of: a snapshot, or a volume that is forked."""
        snapshot, volume = body.get("snapshot_id"), body.get("source_volume_id")
        if snapshot and volume:
            raise fly_error(400, "invalid_argument: snapshot_id and source_volume_id exclude each other")
        if snapshot:
            found = self.store.get("snapshot", snapshot)
            if found is None or found["app"] != app or found["status"] != "created":
                raise fly_error(400, f"invalid_argument: snapshot {snapshot} not found")
            return self.data(snapshot), {"size_gb": found["volume_size"] // 2**30}
        if volume:
            found = next((v for v in self.of_app(app) if v["id"] == volume and not v.get("deleted_at")), None)
            if found is None:
                raise fly_error(400, f"invalid_argument: volume {volume} not found")
            return self.data(volume), found
        return None, None

    def _zone(self, app: str, region: str, body: Document) -> str:
        """Hardware for a new volume; unique means: none that holds a volume of the same name (or of the app)."""
        here = [v for v in self.of_app(app) if v["region"] == region and not v.get("deleted_at")]
        zones = [f"{region}-{number:02d}" for number in range(ZONES)]
        if body.get("require_unique_zone"):
            wide = body.get("unique_zone_app_wide")
            used = {v["zone"] for v in here if wide or v["name"] == body["name"]}
            zones = [zone for zone in zones if zone not in used]
        if not zones:
            message = f"no unique zone is left in {region} for volume {body['name']}: {ZONES} of {ZONES} hold one"
            raise fly_error(412, message, "volume_placement_capacity")
        return min(zones, key=lambda zone: sum(v["zone"] == zone for v in here))

    def is_full(self, region: str) -> bool:
        """Whether hosts of the region have room for volumes, but for no machine (set by the control API)."""
        return bool((self.store.get("full", region) or {}).get("full"))

    def data(self, name: str) -> str:
        """The Docker volume of a volume or snapshot."""
        return self.machines.runner.volume(name)

    async def _ready(self, volume: str, source: str | None) -> None:
        async with self.lock(volume):
            await asyncio.sleep(self.cloud.settings.switches.volume_seconds)
            if source:
                await self.copy(source, self.data(volume))
            found = self.store.get("volume", volume)
            if found and not found.get("deleted_at"):
                self.store.put("volume", volume, {**found, "state": "created"})

    def restore(self) -> None:
        """After a start of the cloud: go on with what was under way."""
        for volume in self.store.list("volume"):
            if volume["state"] in MOVING:
                source = volume.get("source") if volume["state"] == "restoring" else None
                self.cloud.spawn(self._ready(volume["id"], source))

    async def copy(self, source: str, target: str) -> None:
        """All data of one Docker volume into another."""
        docker, name = self.cloud.docker, f"{target}-copy"
        mounts = [("from", source, True), ("to", target, False)]
        body = {
            "Image": self.cloud.settings.image,
            "Cmd": ["cp", "--archive", "/from/.", "/to/"],
            "Labels": self.cloud.settings.labels,
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [
                    {"Type": "volume", "Source": volume, "Target": f"/{place}", "ReadOnly": fixed}
                    for place, volume, fixed in mounts
                ],
            },
        }
        await docker.remove(name)
        await docker.create(name, body)
        try:
            await docker.start(name)
            code = await docker.wait(name)
        finally:
            await docker.remove(name, volumes=False)
        if code != 0:
            raise RuntimeError(f"the copy of {source} to {target} ended with {code}")

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.volume(request)))

    async def update(self, request: web.Request) -> web.Response:
        volume, body = self.usable(request), await json_body(request)
        other = sorted(set(body) - set(MUTABLE))
        if other:
            raise fly_error(400, f"invalid_argument: {', '.join(other)} cannot be changed")
        _check({"name": volume["name"], **body})
        return web.json_response(self.shown(self.store.put("volume", volume["id"], {**volume, **body})))

    async def extend(self, request: web.Request) -> web.Response:
        """Grow only. A machine that runs with it sees the new size after a restart."""
        volume, size = self.usable(request), (await json_body(request)).get("size_gb")
        low = volume["size_gb"]
        if not isinstance(size, int) or isinstance(size, bool) or not low <= size <= LARGEST:
            raise fly_error(400, f"invalid_argument: size_gb must be between {low} and {LARGEST}")
        if volume["state"] not in USABLE:
            raise fly_error(412, f"failed_precondition: volume {volume['id']} is {volume['state']}")
        machine = self.machines.runner.load(volume["attached_machine_id"] or "")
        running = bool(machine and machine["state"] == "started")
        if size > low:
            volume = self.store.put("volume", volume["id"], {**volume, "size_gb": size, "state": "extending"})
            self.cloud.spawn(self._ready(volume["id"], None))
        return web.json_response({"volume": self.shown(volume), "needs_restart": running and size > low})

    async def delete(self, request: web.Request) -> web.Response:
        """Listed as ``pending_destroy`` for a day; the data goes at once."""
        volume = self.usable(request)
        if volume["attached_machine_id"]:
            raise fly_error(400, f"failed_precondition: volume {volume['id']} is currently bound to a machine")
        gone = {**volume, "state": "pending_destroy", "deleted_at": milliseconds()}
        self.store.put("volume", volume["id"], gone)
        self.cloud.spawn(self._drop(volume["id"]))
        return web.json_response(self.shown(gone))

    async def _drop(self, name: str) -> None:
        async with self.lock(name):
            await self.cloud.docker.remove_volume(self.data(name))

    async def drop(self, app: str) -> None:
        """Remove the data of all volumes and snapshots of an app."""
        for kind in ("volume", "snapshot"):
            for item in self.store.list(kind):
                if item["app"] == app:
                    await self._drop(item["id"])


def _check(body: Document) -> None:
    """Raise a 400 that names what is wrong with the fields that are given."""
    if not names.is_volume(body.get("name")):
        raise fly_error(400, "invalid_argument: name must be lowercase letters, numbers or underscores, 30 at most")
    if body.get("region") not in (None, "", *REGIONS):
        raise fly_error(400, f"invalid_argument: region {body['region']} not found")
    for key, low, high in (("size_gb", 1, LARGEST), ("snapshot_retention", 1, 60)):
        value = body.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise fly_error(400, f"invalid_argument: {key} must be between {low} and {high}")
    for key in ("encrypted", "auto_backup_enabled", "require_unique_zone", "unique_zone_app_wide"):
        if not isinstance(body.get(key, False), bool):
            raise fly_error(400, f"invalid_argument: {key} must be true or false")
    if body.get("fstype") not in (None, "", "ext4", "raw"):
        raise fly_error(400, "invalid_argument: fstype must be ext4 or raw")
