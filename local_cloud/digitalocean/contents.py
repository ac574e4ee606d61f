"""Databases, users and trusted sources of a cluster (reference digitalocean 3, 5)."""

from __future__ import annotations

import ipaddress
import uuid
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.digitalocean import server
from local_cloud.digitalocean.clusters import Cluster, Clusters, password, user_shown
from local_cloud.digitalocean.errors import do_error
from local_cloud.fly.ids import now
from local_cloud.problems import json_body

TYPES = ("droplet", "k8s", "ip_addr", "tag", "app")


class Contents:
    """Handlers. Writes need a cluster that is online."""

    def __init__(self, cloud: Cloud, clusters: Clusters) -> None:
        self.cloud = cloud
        self.clusters = clusters

    async def databases(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=request.method == "POST")
        if request.method == "GET":
            return web.json_response({"dbs": [{"name": name} for name in cluster["dbs"]]})
        name = self._name(await json_body(request))
        if name in cluster["dbs"]:
            raise do_error(422, "database name is not available")
        await server.make_database(self.cloud, cluster, name)
        self.clusters.become(cluster["id"], dbs=[*cluster["dbs"], name])
        return web.json_response({"db": {"name": name}}, status=201)

    async def database(self, request: web.Request) -> web.Response:
        cluster, name = self.clusters.load(request), request.match_info["name"]
        if name not in cluster["dbs"]:
            raise do_error(404, "The resource you were accessing could not be found.")
        if request.method == "GET":
            return web.json_response({"db": {"name": name}})
        if name == "defaultdb":
            raise do_error(422, "the default database cannot be deleted")
        await server.drop_database(self.cloud, cluster, name)
        self.clusters.become(cluster["id"], dbs=[other for other in cluster["dbs"] if other != name])
        return web.Response(status=204)

    async def users(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=request.method == "POST")
        if request.method == "GET":
            return web.json_response({"users": [user_shown(user) for user in cluster["users"].values()]})
        body = await json_body(request)
        name, settings = self._name(body), body.get("settings") or {}
        if name in cluster["users"]:
            raise do_error(422, "user name is not available")
        user = {"name": name, "role": "normal", "password": password(), "settings": settings}
        await self._make(cluster, user)
        answer = {**user_shown(user), **({"settings": settings} if settings else {})}
        return web.json_response({"user": answer}, status=201)

    async def _make(self, cluster: Cluster, user: dict[str, Any]) -> None:
        replication = bool((user.get("settings") or {}).get("pg_allow_replication"))
        if user["name"] == "doadmin":
            change = f"ALTER ROLE doadmin PASSWORD {server.literal(user['password'])};"
            await server.run(self.cloud, cluster, change)
        else:
            await server.make_user(self.cloud, cluster, user["name"], user["password"], replication)
        current = self.cloud.store.get("do_cluster", cluster["id"]) or cluster
        self.clusters.become(cluster["id"], users={**current["users"], user["name"]: user})

    def _user(self, request: web.Request, cluster: Cluster) -> dict[str, Any]:
        found: dict[str, Any] | None = cluster["users"].get(request.match_info["name"])
        if found is None:
            raise do_error(404, "The resource you were accessing could not be found.")
        return found

    async def user(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request)
        user = self._user(request, cluster)
        if request.method == "GET":
            return web.json_response({"user": user_shown(user)})
        if request.method == "PUT":
            changed = {**user, "settings": (await json_body(request)).get("settings") or {}}
            await self._make(cluster, changed)
            return web.json_response({"user": user_shown(changed)}, status=201)
        if user["role"] == "primary":
            raise do_error(422, "the default user cannot be deleted")
        await server.drop_user(self.cloud, cluster, user["name"])
        self.clusters.become(cluster["id"], users={k: v for k, v in cluster["users"].items() if k != user["name"]})
        return web.Response(status=204)

    async def reset_auth(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=True)
        changed = {**self._user(request, cluster), "password": password()}
        await self._make(cluster, changed)
        return web.json_response({"user": user_shown(changed)})

    async def firewall(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=request.method == "PUT")
        if request.method == "GET":
            return web.json_response({"rules": cluster["rules"]})
        rules = [self._rule(cluster, rule) for rule in (await json_body(request)).get("rules") or []]
        if len(rules) > 100:
            raise do_error(422, "at most 100 rules are allowed")
        self.clusters.become(cluster["id"], rules=rules)
        await server.trust(self.cloud, {**cluster, "rules": rules})
        return web.Response(status=204)

    def _rule(self, cluster: Cluster, rule: dict[str, Any]) -> dict[str, Any]:
        kind, value = rule.get("type"), str(rule.get("value") or "")
        if kind not in TYPES or not value:
            raise do_error(422, "invalid rule")
        if kind == "ip_addr":
            try:
                ipaddress.IPv4Network(value, strict=False)
            except ValueError:
                raise do_error(422, f"invalid ip_addr {value}: only IPv4 is supported") from None
        extra = {"description": rule["description"]} if rule.get("description") else {}
        made = {"uuid": str(uuid.uuid4()), "cluster_uuid": cluster["id"], "created_at": now()}
        return {**made, "type": kind, "value": value, **extra}

    @staticmethod
    def _name(body: dict[str, Any]) -> str:
        name = str(body.get("name") or "")
        if not name or len(name) > 63:
            raise do_error(422, "invalid name")
        return name
