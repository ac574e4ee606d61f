"""Clusters: create, read, change, destroy (reference digitalocean 2, 4)."""

from __future__ import annotations

import asyncio
import re
import secrets
import string
import uuid
from typing import Any
from urllib.parse import quote

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.digitalocean import server
from local_cloud.digitalocean.catalogue import REGIONS, STORAGE, VERSIONS, memory_gb, offered, options
from local_cloud.digitalocean.errors import do_error
from local_cloud.fly.ids import now
from local_cloud.problems import json_body

Cluster = dict[str, Any]
ACCOUNT = 7001
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def password() -> str:
    """As the platform makes them."""
    letters = string.ascii_letters + string.digits
    return "AVNS_" + "".join(secrets.choice(letters) for _ in range(19))


class Clusters:
    """Handlers; state in the store under ``do_cluster``. Whatever version was asked for, the server is PostgreSQL 15."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def load(self, request: web.Request, online: bool = False) -> Cluster:
        """The cluster of the path; 412 when it must be online and is not."""
        found = self.cloud.store.get("do_cluster", request.match_info["cluster"])
        if found is None:
            raise do_error(404, "The resource you were accessing could not be found.")
        if online and found["status"] != "online":
            raise do_error(412, f"The database cluster is {found['status']}; wait until it is online.")
        return found

    def save(self, cluster: Cluster) -> None:
        self.cloud.store.put("do_cluster", cluster["id"], cluster)

    def connection(
        self, cluster: Cluster, private: bool = False, user: str = "doadmin", database: str = "defaultdb"
    ) -> dict[str, Any]:
        """Where to connect; empty while the cluster is being made."""
        host = ("private-" if private else "") + cluster["host"]
        if cluster["status"] == "creating":
            return {
                "protocol": "postgresql",
                "uri": "",
                "database": "",
                "host": "",
                "port": 0,
                "user": "",
                "password": "",
                "ssl": True,
            }
        secret, port = cluster["users"][user]["password"], cluster["port"]
        uri = f"postgresql://{user}:{quote(secret, safe='')}@{host}:{port}/{database}?sslmode=require"
        return {"protocol": "postgresql", "uri": uri, "database": database, "host": host, "port": port, "user": user,
                "password": secret, "ssl": True}  # fmt: skip

    def shown(self, cluster: Cluster) -> dict[str, Any]:
        """As the API gives it."""
        version = cluster["version"]
        return {
            "id": cluster["id"],
            "name": cluster["name"],
            "engine": "pg",
            "version": version,
            "semantic_version": f"{version}.4",
            "num_nodes": cluster["num_nodes"],
            "size": cluster["size"],
            "region": cluster["region"],
            "status": cluster["status"],
            "created_at": cluster["created_at"],
            "private_network_uuid": cluster["private_network_uuid"],
            "project_id": cluster["project_id"],
            "tags": cluster["tags"] or None,
            "db_names": cluster["dbs"],
            "users": [user_shown(user) for user in cluster["users"].values()],
            "connection": self.connection(cluster),
            "private_connection": self.connection(cluster, private=True),
            "maintenance_window": {**cluster["maintenance"], "pending": False, "description": None},
            "storage_size_mib": cluster["storage_size_mib"],
        }

    async def options(self, request: web.Request) -> web.Response:
        return web.json_response(options())

    async def index(self, request: web.Request) -> web.Response:
        tag = request.query.get("tag_name", "").lower()
        found = [c for c in self.cloud.store.list("do_cluster") if not tag or tag in map(str.lower, c["tags"])]
        return web.json_response({"databases": [self.shown(cluster) for cluster in found]})

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response({"database": self.shown(self.load(request))})

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        self._check(body)
        number, port = str(uuid.uuid4()), self.cloud.take_port(f"pg-{body['name']}")
        cluster: Cluster = {
            "id": number,
            "port": port,
            "host": f"{body['name']}-do-user-{ACCOUNT}-0.db.local-cloud.internal",
            "name": body["name"],
            "version": str(body.get("version") or "17"),
            "num_nodes": body["num_nodes"],
            "size": body["size"],
            "region": body["region"],
            "status": "creating",
            "created_at": now(),
            "private_network_uuid": body.get("private_network_uuid")
            or str(uuid.uuid5(uuid.NAMESPACE_DNS, body["region"])),
            "project_id": body.get("project_id") or str(uuid.uuid5(uuid.NAMESPACE_DNS, "project")),
            "tags": body.get("tags") or [],
            "rules": body.get("rules") or [],
            "dbs": ["defaultdb"],
            "users": {"doadmin": {"name": "doadmin", "role": "primary", "password": password()}},
            "maintenance": {"day": "sunday", "hour": "03:00:00"},
            "storage_size_mib": body.get("storage_size_mib") or STORAGE.get(memory_gb(body["size"]), 61440),
            "config": {"autovacuum_naptime": 60, "backup_hour": 3, "backup_minute": 0, "timezone": "UTC"},
        }
        self.save(cluster)
        self.cloud.spawn(self.provision(number))
        return web.json_response({"database": self.shown(cluster)}, status=201)

    def _check(self, body: dict[str, Any]) -> None:
        for key in ("name", "engine", "num_nodes", "size", "region"):
            if not body.get(key):
                raise do_error(422, f"{key} is required")
        if body["engine"] != "pg":
            raise do_error(422, "invalid engine")
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", body["name"]):
            raise do_error(422, "invalid cluster name")
        if any(cluster["name"] == body["name"] for cluster in self.cloud.store.list("do_cluster")):
            raise do_error(422, "cluster name is not available")
        if body["region"] not in REGIONS:
            raise do_error(422, "invalid region")
        if str(body.get("version") or "17") not in VERSIONS:
            raise do_error(422, "invalid cluster engine version")
        if not offered(body["size"], body["num_nodes"]):
            raise do_error(422, "invalid size")

    async def provision(self, number: str) -> None:
        """Creating, then online as soon as the server answers."""
        await asyncio.sleep(self.cloud.provisioning_delay)
        cluster = self.cloud.store.get("do_cluster", number)
        if cluster:
            await server.start(self.cloud, cluster, self.connections(cluster))
            await server.first_start(self.cloud, cluster)
            self.become(number, status="online")

    def connections(self, cluster: Cluster) -> int:
        """Backend connections of the size."""
        return memory_gb(cluster["size"]) * 25 - 3

    def become(self, number: str, **changes: Any) -> None:
        """Change what is stored, if the cluster is still there."""
        cluster = self.cloud.store.get("do_cluster", number)
        if cluster:
            self.save({**cluster, **changes})

    async def _later(self, number: str, changes: dict[str, Any]) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay)
        self.become(number, status="online", **changes)

    async def resize(self, request: web.Request) -> web.Response:
        cluster, body = self.load(request, online=True), await json_body(request)
        if not body.get("size") or not body.get("num_nodes"):
            raise do_error(422, "size and num_nodes are required")
        if not offered(body["size"], body["num_nodes"]):
            raise do_error(422, "invalid size")
        storage = body.get("storage_size_mib") or cluster["storage_size_mib"]
        if memory_gb(body["size"]) < memory_gb(cluster["size"]) or storage < cluster["storage_size_mib"]:
            raise do_error(422, "cannot resize to smaller")
        self.save({**cluster, "status": "resizing"})
        changes = {"size": body["size"], "num_nodes": body["num_nodes"], "storage_size_mib": storage}
        self.cloud.spawn(self._later(cluster["id"], changes))
        return web.Response(status=202)

    async def migrate(self, request: web.Request) -> web.Response:
        cluster, body = self.load(request, online=True), await json_body(request)
        if body.get("region") not in REGIONS:
            raise do_error(422, "invalid region")
        self.save({**cluster, "status": "migrating"})
        self.cloud.spawn(self._later(cluster["id"], {"region": body["region"]}))
        return web.Response(status=202)

    async def upgrade(self, request: web.Request) -> web.Response:
        cluster, body = self.load(request, online=True), await json_body(request)
        version = str(body.get("version"))
        if version not in VERSIONS or int(version) <= int(cluster["version"]):
            raise do_error(422, "invalid cluster engine version")
        self.cloud.spawn(self._later(cluster["id"], {"version": version}))
        return web.Response(status=204)

    async def maintenance(self, request: web.Request) -> web.Response:
        cluster, body = self.load(request), await json_body(request)
        if str(body.get("day")).lower() not in DAYS or not re.match(r"([01]\d|2[0-3]):[0-5]\d", str(body.get("hour"))):
            raise do_error(422, "invalid maintenance window")
        hour = str(body["hour"])
        self.save(
            {
                **cluster,
                "maintenance": {"day": body["day"].lower(), "hour": hour if hour.count(":") == 2 else hour + ":00"},
            }
        )
        return web.Response(status=204)

    async def config(self, request: web.Request) -> web.Response:
        cluster = self.load(request)
        if request.method == "GET":
            return web.json_response({"config": cluster["config"]})
        self.save({**cluster, "config": {**cluster["config"], **((await json_body(request)).get("config") or {})}})
        return web.Response(status=200)

    async def authority(self, request: web.Request) -> web.Response:
        import base64

        self.load(request)
        return web.json_response({"ca": {"certificate": base64.b64encode(self.cloud.ca.pem.encode()).decode()}})

    async def backups(self, request: web.Request) -> web.Response:
        self.load(request)
        return web.json_response({"backups": [], "scheduled_backup_time": {"backup_hour": 3, "backup_minute": 0}})

    async def delete(self, request: web.Request) -> web.Response:
        cluster = self.load(request)
        self.cloud.store.delete("do_cluster", cluster["id"])
        await server.server(self.cloud, cluster).remove()
        return web.Response(status=204)

    async def tag(self, request: web.Request) -> web.Response:
        """POST or DELETE /v2/tags/{tag}/resources."""
        tag = request.match_info["tag"]
        for resource in (await json_body(request)).get("resources") or []:
            cluster = self.cloud.store.get("do_cluster", resource.get("resource_id", ""))
            if cluster is None or resource.get("resource_type") != "database":
                raise do_error(404, "The resource you were accessing could not be found.")
            kept = [other for other in cluster["tags"] if other.lower() != tag.lower()]
            self.save({**cluster, "tags": [*kept, tag] if request.method == "POST" else kept})
        return web.Response(status=204)

    async def make_tag(self, request: web.Request) -> web.Response:
        name = str((await json_body(request)).get("name") or "")
        if not re.fullmatch(r"[A-Za-z0-9_:-]{1,255}", name):
            raise do_error(422, "invalid tag name")
        return web.json_response({"tag": {"name": name, "resources": {"count": 0}}}, status=201)

    async def restore(self) -> None:
        """After a start of the cloud: go on where it was."""
        for cluster in self.cloud.store.list("do_cluster"):
            if cluster["status"] == "creating":
                await server.server(self.cloud, cluster).cloud.docker.remove(server.server(self.cloud, cluster).name)
                await self.cloud.docker.remove_volume(server.server(self.cloud, cluster).name)
                self.cloud.spawn(self.provision(cluster["id"]))
            elif not await server.server(self.cloud, cluster).running():
                self.cloud.spawn(server.start(self.cloud, cluster, self.connections(cluster)))
            if cluster["status"] in ("resizing", "migrating"):
                self.become(cluster["id"], status="online")

    async def reset(self) -> None:
        """Remove all."""
        for cluster in self.cloud.store.list("do_cluster"):
            await server.server(self.cloud, cluster).remove()


def user_shown(user: dict[str, Any]) -> dict[str, Any]:
    """A user as the API gives it; settings are told on create only."""
    return {key: user[key] for key in ("name", "role", "password")}
