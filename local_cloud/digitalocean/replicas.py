"""Read replicas: streaming standbys with a name and an id of their own (reference digitalocean 3)."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

from aiohttp import web

from local_cloud.digitalocean import server
from local_cloud.digitalocean.access import sees_credentials
from local_cloud.digitalocean.catalogue import REGIONS, STORAGE, memory_gb, offered
from local_cloud.digitalocean.clusters import ACCOUNT, Cluster, Clusters, network_of
from local_cloud.digitalocean.errors import do_error, missing
from local_cloud.digitalocean.rules import made_rules
from local_cloud.digitalocean.views import replica_shown
from local_cloud.fly.ids import now
from local_cloud.problems import json_body

KEPT = ("id", "name", "host", "port", "region", "size", "private_network_uuid", "storage_size_mib", "tags")


class Replicas:
    """Handlers. A replica listens to the trusted sources of its cluster."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters
        self.cloud = clusters.cloud

    def _one(self, request: web.Request) -> tuple[Cluster, Cluster]:
        cluster = self.clusters.load(request)
        found = [r for r in self.clusters.replicas(cluster["id"]) if r["name"] == request.match_info["name"]]
        if not found:
            raise missing()
        return cluster, found[0]

    async def all(self, request: web.Request) -> web.Response:
        cluster, sees = self.clusters.load(request, online=request.method == "POST"), sees_credentials(request)
        if request.method == "GET":
            found = [replica_shown(one, cluster, sees) for one in self.clusters.replicas(cluster["id"])]
            return web.json_response({"replicas": found})
        body = await json_body(request)
        if not self.clusters.backups.of(cluster["id"]):
            raise do_error(412, "The first backup of the cluster is not finished yet.")
        replica = self._new(cluster, body)
        self.cloud.store.put("do_replica", replica["id"], replica)
        self.clusters.happened(cluster, "cluster_update")
        self.cloud.spawn(self.provision(replica["id"]))
        return web.json_response({"replica": replica_shown(replica, cluster, sees)}, status=201)

    def _new(self, cluster: Cluster, body: dict[str, Any]) -> Cluster:
        name, region = str(body.get("name") or ""), body.get("region") or cluster["region"]
        size = body.get("size") or cluster["size"]
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", name):
            raise do_error(422, "invalid replica name")
        self.clusters.check_name(name)
        if region not in REGIONS:
            raise do_error(422, "invalid region")
        if not offered(size, 1) or memory_gb(size) < memory_gb(cluster["size"]):
            raise do_error(422, "invalid size: a replica must be at least as large as its cluster")
        storage = max(STORAGE.get(memory_gb(size), 61440), cluster["storage_size_mib"])
        return {
            "id": str(uuid.uuid4()),
            "cluster": cluster["id"],
            "name": name,
            "host": f"{name}-do-user-{ACCOUNT}-0.db.local-cloud.internal",
            "port": self.cloud.take_port(f"replica-{name}"),
            "region": region,
            "size": size,
            "status": "forking",
            "created_at": now(),
            "private_network_uuid": body.get("private_network_uuid") or network_of(region),
            "storage_size_mib": max(storage, body.get("storage_size_mib") or 0),
            "tags": body.get("tags") or [],
        }

    async def provision(self, number: str) -> None:
        """Forking, then online as soon as it follows."""
        await asyncio.sleep(self.cloud.provisioning_delay)
        replica = self.cloud.store.get("do_replica", number)
        primary = self.cloud.store.get("do_cluster", replica["cluster"]) if replica else None
        if replica and primary:
            await self.clusters.follow(replica, primary)
            self.cloud.store.put("do_replica", number, {**replica, "status": "online"})

    async def one(self, request: web.Request) -> web.Response:
        cluster, replica = self._one(request)
        if request.method == "GET":
            return web.json_response({"replica": replica_shown(replica, cluster, sees_credentials(request))})
        self.cloud.store.delete("do_replica", replica["id"])
        await server.remove(self.cloud, replica)
        return web.Response(status=204)

    async def promote(self, request: web.Request) -> web.Response:
        """It becomes a cluster of its own, with its own trusted sources from then on."""
        cluster, replica = self._one(request)
        if replica["status"] != "online":
            raise do_error(409, f"The replica is {replica['status']}.")
        await server.run(self.cloud, replica, "SELECT pg_promote(true, 30);")
        body = {**{key: replica[key] for key in ("name", "size", "region")}, "num_nodes": 1}
        fresh = self.clusters.new(body, {**cluster, "from": None})
        self.cloud.free_port(fresh["port"])
        promoted = {**fresh, **{key: replica[key] for key in KEPT}, "status": "online", "restored_from": None}
        promoted["rules"] = made_rules(replica["id"], cluster["rules"])
        self.cloud.store.delete("do_replica", replica["id"])
        self.cloud.store.put("do_cluster", promoted["id"], promoted)
        self.clusters.happened(promoted, "cluster_master_promotion")
        self.cloud.spawn(self._own(promoted))
        return web.Response(status=204)

    async def _own(self, cluster: Cluster) -> None:
        """With pools from now on, and a first backup."""
        await server.start(self.cloud, cluster, cluster["rules"], self.clusters.connections(cluster))
        await self.clusters.first_backup(cluster["id"])
