"""Changes of a cluster: each field has its own endpoint (reference digitalocean 2, 4).

An answer comes at once. For an instant the cluster reads as before, then it has the change's status, and when its servers
have been restarted it is online with the new fields.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web

from local_cloud.digitalocean import server
from local_cloud.digitalocean.catalogue import REGIONS, STORAGE, VERSIONS, memory_gb, offered
from local_cloud.digitalocean.clusters import Cluster, Clusters, check_cnames, network_of
from local_cloud.digitalocean.errors import do_error
from local_cloud.problems import json_body

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
RESTARTS = frozenset({"size", "region", "version", "cnames", "restart"})


class Changes:
    """Handlers."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters
        self.cloud = clusters.cloud

    def begin(self, cluster: Cluster, status: str, changes: dict[str, Any]) -> None:
        """Remember a change and carry it out in the background; a restart of the cloud carries it on."""
        self.clusters.become(cluster["id"], pending={"status": status, "changes": changes})
        self.clusters.happened(cluster, "cluster_update")
        self.cloud.spawn(self.carry_out(cluster["id"]))

    async def carry_out(self, number: str) -> None:
        """What was begun."""
        await asyncio.sleep(self.cloud.settings.switches.cluster_lag_seconds)
        cluster = self.cloud.store.get("do_cluster", number)
        if cluster is None:
            return
        pending = cluster["pending"]
        self.clusters.become(number, status=pending["status"])
        await asyncio.sleep(self.cloud.provisioning_delay)
        changes = {key: item for key, item in pending["changes"].items() if key != "restart"}
        cluster = {**cluster, **changes}
        restart = bool(RESTARTS & set(pending["changes"]))
        if restart:
            await self._restart(cluster)
        await self.clusters.standby(cluster, restart)
        self.clusters.become(number, **changes, status="online", pending=None)

    async def _restart(self, cluster: Cluster) -> None:
        """Followers first: a standby must allow as many connections as its primary."""
        for replica in self.clusters.replicas(cluster["id"]):
            if replica["status"] == "online":
                await self.clusters.follow(replica, cluster)
        await server.start(self.cloud, cluster, cluster["rules"], self.clusters.connections(cluster))

    async def resize(self, request: web.Request) -> web.Response:
        replica = self.cloud.store.get("do_replica", request.match_info["cluster"])
        if replica:
            return await self._resize_replica(replica, await json_body(request))
        cluster, body = self.clusters.load(request, online=True), await json_body(request)
        if not body.get("size") or not body.get("num_nodes"):
            raise do_error(422, "size and num_nodes are required")
        if not offered(body["size"], body["num_nodes"]):
            raise do_error(422, "invalid size")
        storage = body.get("storage_size_mib") or cluster["storage_size_mib"]
        if memory_gb(body["size"]) < memory_gb(cluster["size"]) or storage < cluster["storage_size_mib"]:
            raise do_error(422, "cannot resize to smaller")
        if body.get("storage_size_mib") and body["size"] != cluster["size"]:
            raise do_error(422, "storage_size_mib cannot change together with size")
        changes = {"num_nodes": body["num_nodes"], "storage_size_mib": storage}
        if body["size"] != cluster["size"]:
            base = STORAGE.get(memory_gb(body["size"]), 61440)
            changes.update(size=body["size"], storage_size_mib=max(storage, base))
        self.begin(cluster, "resizing", changes)
        return web.Response(status=202)

    async def _resize_replica(self, replica: Cluster, body: dict[str, Any]) -> web.Response:
        size, storage = body.get("size"), body.get("storage_size_mib") or replica["storage_size_mib"]
        if not size or body.get("num_nodes") != 1:
            raise do_error(422, "size and num_nodes 1 are required")
        if replica["status"] != "online":
            raise do_error(409, f"The replica is {replica['status']}.")
        smaller = memory_gb(size) < memory_gb(replica["size"]) or storage < replica["storage_size_mib"]
        if smaller or not offered(size, 1):
            raise do_error(422, "cannot resize to smaller" if smaller else "invalid size")
        base = STORAGE.get(memory_gb(size), 61440)
        changed = {**replica, "size": size, "storage_size_mib": max(storage, base), "status": "resizing"}
        self.cloud.store.put("do_replica", replica["id"], {**replica, "status": "resizing"})
        self.cloud.spawn(self._replica_later(changed))
        return web.Response(status=202)

    async def _replica_later(self, replica: Cluster) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay)
        primary = self.cloud.store.get("do_cluster", replica["cluster"])
        if primary and self.cloud.store.get("do_replica", replica["id"]):
            await self.clusters.follow(replica, primary)
            self.cloud.store.put("do_replica", replica["id"], {**replica, "status": "online"})

    async def migrate(self, request: web.Request) -> web.Response:
        cluster, body = self.clusters.load(request, online=True), await json_body(request)
        if body.get("region") not in REGIONS:
            raise do_error(422, "invalid region")
        network = body.get("private_network_uuid") or network_of(body["region"])
        self.begin(cluster, "migrating", {"region": body["region"], "private_network_uuid": network})
        return web.Response(status=202)

    async def upgrade(self, request: web.Request) -> web.Response:
        """Without a status of its own."""
        cluster, body = self.clusters.load(request, online=True), await json_body(request)
        version = str(body.get("version"))
        if version not in VERSIONS or int(version) <= int(cluster["version"]):
            raise do_error(422, "invalid cluster engine version")
        self.begin(cluster, "online", {"version": version})
        return web.Response(status=204)

    async def install_update(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=True)
        self.clusters.happened(cluster, "cluster_maintenance_perform")
        self.begin(cluster, "online", {"restart": True})
        return web.Response(status=204)

    async def maintenance(self, request: web.Request) -> web.Response:
        cluster, body = self.clusters.load(request), await json_body(request)
        day, hour = str(body.get("day")).lower(), str(body.get("hour"))
        if day not in DAYS or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", hour):
            raise do_error(422, "invalid maintenance window")
        window = {"day": day, "hour": hour if hour.count(":") == 2 else hour + ":00"}
        self.clusters.become(cluster["id"], maintenance=window)
        return web.Response(status=204)

    async def service_names(self, request: web.Request) -> web.Response:
        """GET and PUT ~/do_settings: more names in the server's certificate."""
        cluster = self.clusters.load(request, online=request.method == "PUT")
        if request.method == "GET":
            return web.json_response({"do_settings": {"service_cnames": cluster["cnames"]}})
        body = await json_body(request)
        if not isinstance(body.get("do_settings"), dict):
            raise do_error(422, "do_settings is required")
        names = body["do_settings"].get("service_cnames") or []
        check_cnames(names)
        self.begin(cluster, "online", {"cnames": names})
        return web.Response(status=204)
