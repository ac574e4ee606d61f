"""Connection pools (reference digitalocean 3)."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from local_cloud.digitalocean.access import sees_credentials
from local_cloud.digitalocean.clusters import Cluster, Clusters
from local_cloud.digitalocean.errors import do_error, missing
from local_cloud.digitalocean.views import pool_shown
from local_cloud.problems import json_body

MODES = ("session", "transaction", "statement")
NAME = r"[A-Za-z0-9_.-]{3,60}"


class Pools:
    """Handlers. All pools share the backend connections of the size."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters
        self.cloud = clusters.cloud

    async def all(self, request: web.Request) -> web.Response:
        cluster, sees = self.clusters.load(request, online=request.method == "POST"), sees_credentials(request)
        if request.method == "GET":
            return web.json_response({"pools": [pool_shown(one, cluster, sees) for one in cluster["pools"].values()]})
        body = await json_body(request)
        name = str(body.get("name") or "")
        if not re.fullmatch(NAME, name):
            raise do_error(422, "pool name must be from 3 to 60 letters, digits, dots, dashes and underscores")
        if name in cluster["pools"]:
            raise do_error(422, "pool name is not available")
        pool = self._checked(cluster, name, body)
        await self._keep(cluster, name, pool)
        return web.json_response({"pool": pool_shown(pool, cluster, sees)}, status=201)

    async def one(self, request: web.Request) -> web.Response:
        cluster, name = self.clusters.load(request, online=request.method != "GET"), request.match_info["name"]
        if name not in cluster["pools"]:
            raise missing()
        if request.method == "GET":
            shown = pool_shown(cluster["pools"][name], cluster, sees_credentials(request))
            return web.json_response({"pool": shown})
        changed = self._checked(cluster, name, await json_body(request)) if request.method == "PUT" else None
        await self._keep(cluster, name, changed)
        return web.Response(status=204)

    async def _keep(self, cluster: Cluster, name: str, pool: dict[str, Any] | None) -> None:
        async with self.clusters.alone(cluster) as current:
            others = {key: one for key, one in current["pools"].items() if key != name}
            self.clusters.become(cluster["id"], pools={**others, **({name: pool} if pool else {})})
            await self.clusters.reload(cluster["id"])

    def _checked(self, cluster: Cluster, name: str, body: dict[str, Any]) -> dict[str, Any]:
        mode, size, database, user = (body.get(key) for key in ("mode", "size", "db", "user"))
        if mode not in MODES or not isinstance(size, int) or size < 1 or not database:
            raise do_error(422, "mode, size and db are required")
        if database not in cluster["dbs"]:
            raise do_error(422, "db does not exist")
        if user and user not in cluster["users"]:
            raise do_error(422, "user does not exist")
        taken = sum(pool["size"] for key, pool in cluster["pools"].items() if key != name)
        if taken + size > self.clusters.connections(cluster):
            raise do_error(422, "pool size exceeds the available connections")
        return {"name": name, "mode": mode, "size": size, "db": database, "user": user or None}
