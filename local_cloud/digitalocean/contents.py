"""Databases and users of a cluster (reference digitalocean 3)."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from local_cloud.digitalocean import server
from local_cloud.digitalocean.access import sees_credentials
from local_cloud.digitalocean.clusters import Cluster, Clusters, password
from local_cloud.digitalocean.errors import do_error, missing
from local_cloud.digitalocean.views import user_shown
from local_cloud.problems import json_body


class Contents:
    """Handlers. Writes need a cluster that is online, and go one after the other."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters
        self.cloud = clusters.cloud
        self._made: dict[tuple[str, str], float] = {}  # when a user was answered as made: it is not found at first

    async def databases(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=request.method == "POST")
        if request.method == "GET":
            return web.json_response({"dbs": [{"name": name} for name in cluster["dbs"]]})
        name = self._name(await json_body(request))
        if name in cluster["dbs"]:
            raise do_error(422, "database name is not available")
        async with self.clusters.alone(cluster) as current:
            await server.make_database(self.cloud, cluster, name)
            self.clusters.become(cluster["id"], dbs=[*current["dbs"], name])
        return web.json_response({"db": {"name": name}}, status=201)

    async def database(self, request: web.Request) -> web.Response:
        cluster, name = self.clusters.load(request, online=request.method != "GET"), request.match_info["name"]
        if name not in cluster["dbs"]:
            raise missing()
        if request.method == "GET":
            return web.json_response({"db": {"name": name}})
        if name == "defaultdb":
            raise do_error(422, "the default database cannot be deleted")
        self._unused(cluster, "db", name)
        async with self.clusters.alone(cluster) as current:
            await server.drop_database(self.cloud, cluster, name)
            self.clusters.become(cluster["id"], dbs=[other for other in current["dbs"] if other != name])
        return web.Response(status=204)

    async def users(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=request.method == "POST")
        sees = sees_credentials(request)
        if request.method == "GET":
            return web.json_response({"users": [user_shown(user, sees) for user in cluster["users"].values()]})
        body = await json_body(request)
        name, settings = self._name(body), body.get("settings") or {}
        if name in cluster["users"] or name.startswith(("pg_", "_")) or name == "postgres":
            raise do_error(422, "user name is not available")
        user = {"name": name, "role": "normal", "password": password(), "settings": settings}
        await self._make(cluster, user)
        self._made[cluster["id"], name] = time.monotonic()
        answer = {**user_shown(user, sees), **({"settings": settings} if settings else {})}
        return web.json_response({"user": answer}, status=201)

    async def _make(self, cluster: Cluster, user: dict[str, Any]) -> None:
        async with self.clusters.alone(cluster) as current:
            await server.make_user(self.cloud, cluster, user)
            self.clusters.become(cluster["id"], users={**current["users"], user["name"]: user})
            await self.clusters.reload(cluster["id"])

    def _user(self, request: web.Request, cluster: Cluster) -> dict[str, Any]:
        found: dict[str, Any] | None = cluster["users"].get(request.match_info["name"])
        made = self._made.get((cluster["id"], request.match_info["name"]), 0.0)
        if found is None or time.monotonic() < made + self.cloud.settings.switches.fresh_404_seconds:
            raise missing()
        return found

    async def user(self, request: web.Request) -> web.Response:
        cluster, sees = self.clusters.load(request, online=request.method != "GET"), sees_credentials(request)
        user = self._user(request, cluster)
        if request.method == "GET":
            return web.json_response({"user": user_shown(user, sees)})
        if request.method == "PUT":
            changed = {**user, "settings": (await json_body(request)).get("settings") or {}}
            await self._make(cluster, changed)
            return web.json_response({"user": user_shown(changed, sees)}, status=201)
        if user["role"] == "primary":
            raise do_error(422, "the default user cannot be deleted")
        self._unused(cluster, "user", user["name"])
        async with self.clusters.alone(cluster) as current:
            await server.drop_user(self.cloud, cluster, user["name"])
            self.clusters.become(cluster["id"], users={k: v for k, v in current["users"].items() if k != user["name"]})
            await self.clusters.reload(cluster["id"])
        return web.Response(status=204)

    async def reset_auth(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=True)
        changed = {**self._user(request, cluster), "password": password()}
        await self._make(cluster, changed)
        return web.json_response({"user": user_shown(changed, sees_credentials(request))})

    @staticmethod
    def _unused(cluster: Cluster, key: str, name: str) -> None:
        used = [pool["name"] for pool in cluster["pools"].values() if pool.get(key) == name]
        if used:
            raise do_error(422, f"{name} is used by connection pool {', '.join(used)}")

    @staticmethod
    def _name(body: dict[str, Any]) -> str:
        name = str(body.get("name") or "")
        if not name or len(name) > 63:
            raise do_error(422, "invalid name")
        return name
