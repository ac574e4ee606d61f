"""Clusters: create, read, destroy, and what all their changes have in common (reference digitalocean 2, 4)."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import string
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.digitalocean import server
from local_cloud.digitalocean.access import sees_credentials
from local_cloud.digitalocean.backups import Backups
from local_cloud.digitalocean.catalogue import REGIONS, STORAGE, VERSIONS, memory_gb, offered, options
from local_cloud.digitalocean.errors import do_error, missing
from local_cloud.digitalocean.options import defaults
from local_cloud.digitalocean.rules import made_rules
from local_cloud.digitalocean.views import cluster_shown, replica_as_cluster
from local_cloud.docker import DockerError
from local_cloud.fly.ids import now
from local_cloud.problems import json_body

Cluster = dict[str, Any]
log = logging.getLogger("local_cloud.digitalocean")
ACCOUNT = 7001
PROJECT = str(uuid.uuid5(uuid.NAMESPACE_DNS, "project"))
CNAME = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)+"


def password() -> str:
    """As the platform makes them."""
    letters = string.ascii_letters + string.digits
    return "AVNS_" + "".join(secrets.choice(letters) for _ in range(19))


def network_of(region: str) -> str:
    """The region's default VPC."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, region))


class Clusters:
    """State in the store under ``do_cluster``. Whatever version was asked for, the server is PostgreSQL 15."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.backups = Backups(cloud)
        self._busy: set[str] = set()

    def load(self, request: web.Request, online: bool = False) -> Cluster:
        """The cluster of the path; an error when it must be online and is not."""
        found = self.cloud.store.get("do_cluster", request.match_info["cluster"])
        if found is None:
            raise missing()
        if online and found["status"] in ("creating", "forking"):
            raise do_error(412, f"The cluster is {found['status']}; wait until it is online.")
        if online and (found["status"] != "online" or found.get("pending") or found.get("gone")):
            raise do_error(409, "Another operation on this cluster is in progress.")
        return found

    @asynccontextmanager
    async def alone(self, cluster: Cluster) -> AsyncIterator[Cluster]:
        """Users, databases and pools are changed one at a time; another change meanwhile is a conflict. Gives it as it is."""
        if cluster["id"] in self._busy:
            raise do_error(409, "Another operation on this cluster is in progress.")
        self._busy.add(cluster["id"])
        try:
            yield self.cloud.store.get("do_cluster", cluster["id"]) or cluster
        finally:
            self._busy.discard(cluster["id"])

    def become(self, number: str, **changes: Any) -> Cluster | None:
        """Change what is stored, if the cluster is still there."""
        cluster = self.cloud.store.get("do_cluster", number)
        return self.cloud.store.put("do_cluster", number, {**cluster, **changes}) if cluster else None

    def happened(self, cluster: Cluster, kind: str) -> None:
        """Write an event down."""
        made = {"id": str(uuid.uuid4()), "cluster_name": cluster["name"], "event_type": kind, "create_time": now()}
        self.cloud.store.put("do_event", made["id"], {**made, "cluster": cluster["id"]})

    def replicas(self, number: str) -> list[Cluster]:
        """The read replicas of a cluster."""
        return [item for item in self.cloud.store.list("do_replica") if item["cluster"] == number]

    def connections(self, cluster: Cluster) -> int:
        """Backend connections of the size."""
        return memory_gb(cluster["size"]) * 25 - 3

    async def options(self, request: web.Request) -> web.Response:
        return web.json_response(options())

    async def index(self, request: web.Request) -> web.Response:
        tag = request.query.get("tag_name", "").lower()
        found = [c for c in self.cloud.store.list("do_cluster") if not tag or tag in map(str.lower, c["tags"])]
        return web.json_response({"databases": [cluster_shown(one, sees_credentials(request)) for one in found]})

    async def get(self, request: web.Request) -> web.Response:
        replica = self.cloud.store.get("do_replica", request.match_info["cluster"])
        primary = self.cloud.store.get("do_cluster", replica["cluster"]) if replica else None
        if replica and primary:
            return web.json_response({"database": replica_as_cluster(replica, primary, sees_credentials(request))})
        return web.json_response({"database": cluster_shown(self.load(request), sees_credentials(request))})

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        self._check(body)
        source = self._source(body["backup_restore"], body) if body.get("backup_restore") else {}
        cluster = self.new(body, source)
        self.cloud.store.put("do_cluster", cluster["id"], cluster)
        self.happened(cluster, "cluster_create")
        self.cloud.spawn(self.provision(cluster["id"]))
        return web.json_response({"database": cluster_shown(cluster, sees_credentials(request))}, status=201)

    def new(self, body: dict[str, Any], source: Cluster) -> Cluster:
        """A new cluster, not yet there. source: what it takes from a backup."""
        storage = max(STORAGE.get(memory_gb(body["size"]), 61440), source.get("storage_size_mib", 0))
        admin = {"name": "doadmin", "role": "primary", "password": password()}
        return {
            "id": (number := str(uuid.uuid4())),
            "port": self.cloud.take_port(f"pg-{body['name']}"),
            "pool_port": self.cloud.take_port(f"pool-{body['name']}"),
            "host": f"{body['name']}-do-user-{ACCOUNT}-0.db.local-cloud.internal",
            "name": body["name"],
            "version": str(body.get("version") or source.get("version") or "17"),
            "num_nodes": body["num_nodes"],
            "size": body["size"],
            "region": body["region"],
            "status": "forking" if source else "creating",
            "created_at": now(),
            "private_network_uuid": body.get("private_network_uuid") or network_of(body["region"]),
            "project_id": body.get("project_id") or PROJECT,
            "tags": body.get("tags") or [],
            "rules": made_rules(number, body.get("rules") or []),
            "dbs": source.get("dbs") or ["defaultdb"],
            "users": source.get("users") or {"doadmin": admin},
            "pools": {},
            "cnames": (body.get("do_settings") or {}).get("service_cnames") or [],
            "maintenance": {"day": "sunday", "hour": "03:00:00"},
            "storage_size_mib": body.get("storage_size_mib") or storage,
            "autoscale": body.get("autoscale") or {"storage": {"enabled": False}},
            "config": {**defaults(), **(source.get("config") or {})},
            "replicator": source.get("replicator") or password(),
            "restored_from": source.get("from"),
        }

    def _source(self, wanted: dict[str, Any], body: dict[str, Any]) -> Cluster:
        clusters = self.cloud.store.list("do_cluster")
        origin = next((one for one in clusters if one["name"] == wanted.get("database_name")), None)
        if origin is None:
            raise do_error(422, "backup_restore: there is no such database cluster")
        at = wanted.get("backup_created_at")
        chosen = [one for one in self.backups.of(origin["id"]) if at in (None, one["created_at"])]
        if not chosen:
            raise do_error(422, "backup_restore: there is no such backup")
        if memory_gb(body["size"]) < memory_gb(origin["size"]):
            raise do_error(422, "backup_restore: the size must be at least that of the source")
        found = chosen[-1]
        kept = {key: found[key] for key in ("users", "dbs", "config", "replicator")}
        copied = {key: origin[key] for key in ("version", "storage_size_mib")}
        return {**copied, **kept, "from": {"cluster": origin["id"], "backup": found["id"]}}

    def _check(self, body: dict[str, Any]) -> None:
        for key in ("name", "engine", "num_nodes", "size", "region"):
            if not body.get(key):
                raise do_error(422, f"{key} is required")
        if body["engine"] != "pg":
            raise do_error(422, "invalid engine")
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", body["name"]):
            raise do_error(422, "invalid cluster name")
        self.check_name(body["name"])
        if body["region"] not in REGIONS:
            raise do_error(422, "invalid region")
        if str(body.get("version") or "17") not in VERSIONS:
            raise do_error(422, "invalid cluster engine version")
        if not offered(body["size"], body["num_nodes"]):
            raise do_error(422, "invalid size")
        least = STORAGE.get(memory_gb(body["size"]), 61440)
        if body.get("storage_size_mib") and body["storage_size_mib"] < least:
            raise do_error(422, f"storage_size_mib is below the {least} that the size brings")
        check_cnames((body.get("do_settings") or {}).get("service_cnames") or [])

    def check_name(self, name: str) -> None:
        """Refuse a name that a cluster or a replica has."""
        if any(one["name"] == name for kind in ("do_cluster", "do_replica") for one in self.cloud.store.list(kind)):
            raise do_error(422, "cluster name is not available")

    async def provision(self, number: str) -> None:
        """Creating or forking, then online as soon as the server answers; a while later there is a first backup."""
        await asyncio.sleep(self.cloud.provisioning_delay)
        cluster = self.cloud.store.get("do_cluster", number)
        if cluster is None:
            return
        if cluster["restored_from"]:
            await self.backups.copy(cluster["restored_from"], cluster)
        await server.start(self.cloud, cluster, cluster["rules"], self.connections(cluster))
        if not cluster["restored_from"]:
            await server.first_start(self.cloud, cluster)
        await self.standby(cluster)
        self.become(number, status="online")
        await self.first_backup(number)

    async def first_backup(self, number: str) -> None:
        """A while after it is online; a change that restarts the server meanwhile only delays it."""
        await asyncio.sleep(self.cloud.settings.switches.backup_seconds)
        while self.cloud.store.get("do_cluster", number):
            try:
                if await self.backups.make(number):
                    return
            except (RuntimeError, DockerError) as problem:
                log.info("backup of %s: %s", number, problem)
            await asyncio.sleep(0.5)

    async def standby(self, cluster: Cluster, restart: bool = True) -> None:
        """Two and three nodes have a streaming standby that can be read from. restart: also one that is there."""
        node = self.cloud.store.get("do_standby", cluster["id"])
        if node and cluster["num_nodes"] == 1:
            await server.remove(self.cloud, node)
            self.cloud.store.delete("do_standby", cluster["id"])
            self.become(cluster["id"], standby_port=None)
        elif cluster["num_nodes"] > 1 and (restart or not node):
            node = node or {
                "id": cluster["id"],
                "suffix": "-standby",
                "host": f"replica-{cluster['host']}",
                "port": self.cloud.take_port(f"standby-{cluster['name']}"),
            }
            self.cloud.store.put("do_standby", cluster["id"], node)
            await self.follow(node, cluster)
            self.become(cluster["id"], standby_port=node["port"])

    async def follow(self, node: Cluster, cluster: Cluster) -> None:
        """Start a standby or replica with the primary's settings; a new one is copied from the primary first."""
        source = {**cluster, "follow": True}
        most = max(self.connections(cluster), self.connections({**cluster, **node}))
        await server.start(self.cloud, {**node, "config": cluster["config"]}, cluster["rules"], most, source)

    async def reload(self, number: str) -> None:
        """Put the stored rules, config, users and pools into force on all nodes."""
        cluster = self.cloud.store.get("do_cluster", number)
        if cluster is None or cluster["status"] in ("creating", "forking"):
            return
        await server.reload(self.cloud, cluster, cluster["rules"], self.connections(cluster))
        standby = self.cloud.store.get("do_standby", number)
        followers = [one for one in self.replicas(number) if one["status"] == "online"] + ([standby] if standby else [])
        for node in followers:
            most = max(self.connections(cluster), self.connections({**cluster, **node}))
            await server.reload(self.cloud, {**node, "config": cluster["config"]}, cluster["rules"], most)

    async def delete(self, request: web.Request) -> web.Response:
        """Answered at once; the name lingers."""
        cluster = self.load(request)
        self.happened(cluster, "cluster_delete")
        self.become(cluster["id"], gone=True)
        self.cloud.spawn(self._end(cluster["id"]))
        return web.Response(status=204)

    async def _end(self, number: str) -> None:
        await asyncio.sleep(self.cloud.settings.switches.cluster_linger_seconds)
        cluster = self.cloud.store.get("do_cluster", number)
        if cluster:
            await self.remove(cluster)

    async def remove(self, cluster: Cluster) -> None:
        """Remove a cluster with its standby, replicas and backups."""
        for kind, nodes in (
            ("do_replica", self.replicas(cluster["id"])),
            ("do_standby", [one for one in self.cloud.store.list("do_standby") if one["id"] == cluster["id"]]),
            ("do_cluster", [cluster]),
        ):
            for node in nodes:
                await server.remove(self.cloud, node)
                self.cloud.store.delete(kind, node["id"])
        for backup in self.backups.of(cluster["id"]):
            self.cloud.store.delete("do_backup", backup["id"])


def check_cnames(names: list[Any]) -> None:
    """Refuse what is no list of host names."""
    if len(names) > 16 or not all(re.fullmatch(CNAME, str(name)) and len(str(name)) <= 253 for name in names):
        raise do_error(422, "invalid service_cnames")
