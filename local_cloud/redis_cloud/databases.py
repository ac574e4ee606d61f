"""Essentials databases: each is a real redis-server."""

from __future__ import annotations

import asyncio
import re
import secrets
import string
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now
from local_cloud.problems import json_body
from local_cloud.redis_cloud import server
from local_cloud.redis_cloud.catalogue import megabytes
from local_cloud.redis_cloud.subscriptions import ACCOUNT, Subscriptions
from local_cloud.redis_cloud.tasks import TaskError, Tasks, error, not_found

Database = dict[str, Any]
PERSISTENCE = ("none", "aof-every-1-second", "aof-every-write", *server.SAVE)
EVICTION = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "noeviction",
)
VERSION = "7.4"
HIDDEN = ("subscription", "port", "host", "tags")


class Databases:
    """Handlers; state in the store under ``redis_database``."""

    def __init__(self, cloud: Cloud, tasks: Tasks, subscriptions: Subscriptions) -> None:
        self.cloud = cloud
        self.tasks = tasks
        self.subscriptions = subscriptions

    def load(self, request: web.Request) -> Database:
        """The database of the path."""
        subscription = self.subscriptions.load(request)
        found = self.cloud.store.get("redis_database", request.match_info["database"])
        if found is None or found["subscription"] != subscription["id"]:
            raise not_found(request, f"Database {request.match_info['database']} not found")
        return found

    def save(self, database: Database) -> None:
        self.cloud.store.put("redis_database", database["databaseId"], database)

    def shown(self, database: Database) -> dict[str, Any]:
        """As the API gives it; endpoints only when there is something behind them."""
        result = {key: value for key, value in database.items() if key not in HIDDEN}
        if database["status"] not in ("draft", "pending"):
            result["publicEndpoint"] = f"{database['host']}:{database['port']}"
        return {**result, "links": []}

    async def index(self, request: web.Request) -> web.Response:
        subscription = self.subscriptions.load(request)["id"]
        offset, limit = int(request.query.get("offset", "0")), int(request.query.get("limit", "100"))
        found = [self.shown(d) for d in self.subscriptions.databases(subscription)][offset : offset + limit]
        page = {"subscriptionId": subscription, "numberOfDatabases": len(found), "databases": found}
        return web.json_response({"accountId": ACCOUNT, "subscription": page})

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.load(request)))

    async def create(self, request: web.Request) -> web.Response:
        subscription, body = self.subscriptions.load(request)["id"], await json_body(request)
        if not body.get("name"):
            raise error(request, 400, "Bad Request", "name is required")

        async def work() -> dict[str, Any]:
            current = self.subscriptions.active(subscription)
            plan = self.subscriptions.plans[current["planId"]]
            siblings = self.subscriptions.databases(subscription)
            if len(siblings) >= plan["maximumDatabases"]:
                kind = "FIXED_DATABASE_FIXED_SUBSCRIPTION_REACHED_MAX_DATABASES_COUNT"
                raise TaskError(kind, f"The plan allows {plan['maximumDatabases']} databases")
            check(body, plan, [sibling["name"] for sibling in siblings])
            number = self.cloud.store.next("redis_database")
            made = self._new(number, subscription, plan, body)
            self.save(made)
            self.cloud.spawn(self._provision(number))
            return {"resourceId": number}

        return self.tasks.accept("fixedDatabaseCreateRequest", work, status=200)

    def _new(self, number: int, subscription: int, plan: dict[str, Any], body: dict[str, Any]) -> Database:
        letters = string.ascii_letters + string.digits
        port = self.cloud.take_port(f"redis-{number}")
        made: Database = {
            "databaseId": number,
            "subscription": subscription,
            "port": port,
            "host": f"redis-{port}.c{number}.{plan['region']}-1.local-cloud.internal",
            "tags": {},
            "name": body["name"],
            "protocol": body.get("protocol") or "stack",
            "provider": plan["provider"],
            "region": plan["region"],
            "redisVersion": body.get("redisVersion") or VERSION,
            "respVersion": "resp2",
            "status": "draft",
            "planMemoryLimit": plan["size"],
            "memoryLimitMeasurementUnit": plan["sizeMeasurementUnit"],
            "memoryUsedInMb": 2,
            "memoryStorage": "ram",
            "supportOSSClusterApi": False,
            "useExternalEndpointForOSSClusterApi": False,
            "dataPersistence": "none",
            "replication": False,
            "dataEvictionPolicy": "volatile-lru",
            "activatedOn": now(),
            "replicaOf": None,
            "replica": None,
            "clustering": {"enabled": False, "regexRules": [], "hashingPolicy": "standard"},
            "security": {
                "defaultUserEnabled": True,
                "password": "".join(secrets.choice(letters) for _ in range(32)),
                "sslClientAuthentication": False,
                "tlsClientAuthentication": False,
                "enableTls": False,
                "sourceIps": ["0.0.0.0/0"],
            },
            "modules": [],
            "alerts": [{"name": "datasets-size", "value": 80}] if plan["price"] else [],
            "backup": {"remoteBackupEnabled": False, "status": "idle"},
        }
        return merged(made, {key: value for key, value in body.items() if key != "enableDefaultUser"})

    async def _provision(self, number: int) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay / 2)
        self._become(number, "pending")
        await asyncio.sleep(self.cloud.provisioning_delay / 2)
        await self._serve(number)
        self._become(number, "active")

    async def _serve(self, number: int) -> None:
        found = self.cloud.store.get("redis_database", number)
        if found:
            plan = self.subscriptions.plans[self._plan_of(found)]
            await server.start(self.cloud, found, megabytes(plan))

    def _plan_of(self, database: Database) -> int:
        subscription = self.cloud.store.get("redis_subscription", database["subscription"])
        return int((subscription or {})["planId"])

    def _become(self, number: int, status: str) -> None:
        found = self.cloud.store.get("redis_database", number)
        if found:
            self.save({**found, "status": status})

    async def update(self, request: web.Request) -> web.Response:
        database, body = self.load(request), await json_body(request)
        number, subscription = database["databaseId"], database["subscription"]

        async def work() -> dict[str, Any]:
            current = self._active(number)
            plan = self.subscriptions.plans[self._plan_of(current)]
            others = [d["name"] for d in self.subscriptions.databases(subscription) if d["databaseId"] != number]
            check(body, plan, others)
            off = not current["security"]["defaultUserEnabled"] or body.get("enableDefaultUser") is False
            if off and body.get("password"):
                kind = "NOT_ALLOWED_TO_UPDATE_A_DATABASE_PASSWORD_WHEN_DEFAULT_USER_IS_DISABLED"
                raise TaskError(kind, "The default user is disabled")
            changed = merged(current, body)
            self.save({**changed, "status": "active-change-pending", "lastModified": now()})
            self.cloud.spawn(self._apply(number, server.config(current, 1) != server.config(changed, 1)))
            return {"resourceId": number}

        return self.tasks.accept("fixedDatabaseUpdateRequest", work, status=200)

    async def _apply(self, number: int, anew: bool) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay / 2)
        if anew:
            await self._serve(number)
        self._become(number, "active")

    def _active(self, number: int) -> Database:
        current = self.cloud.store.get("redis_database", number)
        if current is None:
            raise TaskError("DATABASE_NOT_FOUND", f"Database {number} was not found", "404 NOT_FOUND")
        if current["status"] != "active":
            raise TaskError("DATABASE_NOT_ACTIVE", f"Database {number} is not active")
        return current

    async def delete(self, request: web.Request) -> web.Response:
        number = self.load(request)["databaseId"]

        async def work() -> dict[str, Any]:
            self._active(number)
            self._become(number, "deleting")
            self.cloud.spawn(self._remove(number))
            return {"resourceId": number}

        return self.tasks.accept("fixedDatabaseDeleteRequest", work, status=200)

    async def _remove(self, number: int) -> None:
        found = self.cloud.store.get("redis_database", number)
        if found:
            await server.server(self.cloud, found).remove()
            self.cloud.store.delete("redis_database", number)

    async def tags(self, request: web.Request) -> web.Response:
        database = self.load(request)
        if request.method != "GET":
            given = (await json_body(request)).get("tags") or []
            database["tags"] = {tag["key"]: tag["value"] for tag in given}
            self.save(database)
        return web.json_response(
            {"accountId": ACCOUNT, "tags": [{"key": k, "value": v} for k, v in database["tags"].items()]}
        )

    async def restore(self) -> None:
        """After a start of the cloud: go on where it was."""
        for database in self.cloud.store.list("redis_database"):
            number = database["databaseId"]
            if database["status"] == "deleting":
                self.cloud.spawn(self._remove(number))
            elif database["status"] != "active":
                self.cloud.spawn(self._provision(number))
            elif not await server.server(self.cloud, database).running():
                self.cloud.spawn(self._apply(number, True))

    async def reset(self) -> None:
        """Remove all."""
        for database in self.cloud.store.list("redis_database"):
            await server.server(self.cloud, database).remove()


def check(body: dict[str, Any], plan: dict[str, Any], names: list[str]) -> None:
    """Raise TaskError for what the plan or the fields do not allow (reference redis-cloud 6)."""
    name = body.get("name")
    if name is not None and not re.fullmatch(r"[A-Za-z]([A-Za-z0-9-]{0,38}[A-Za-z0-9])?", name):
        raise TaskError("DATABASE_NAME_INVALID", f"Database name {name} is invalid")
    if name in names:
        raise TaskError("DATABASE_NAME_EXISTS", f"Database name {name} exists")
    if len(body.get("password") or "") >= 50:
        raise TaskError("DATABASE_PASSWORD_IS_TOO_LONG", "Password must be under 50 characters")
    if body.get("enableTls") and not plan["supportSsl"]:
        raise TaskError(
            "FIXED_DATABASE_ENABLE_TLS_NOT_SUPPORTED_IN_REQUESTED_PLAN", "TLS is not supported in this plan"
        )
    if body.get("replication") and not plan["supportReplication"]:
        raise TaskError(
            "FIXED_DATABASE_REPLICATION_NOT_SUPPORTED_IN_REQUESTED_PLAN", "Replication is not supported in this plan"
        )
    persistence = body.get("dataPersistence") or "none"
    if persistence not in PERSISTENCE:
        raise TaskError("DATABASE_DATA_PERSISTENCE_INVALID", f"{persistence} is no data persistence")
    if persistence != "none" and not plan["supportDataPersistence"]:
        raise TaskError(
            "FIXED_DATABASE_PERSISTENCE_NOT_SUPPORTED_IN_REQUESTED_PLAN", "Persistence is not supported in this plan"
        )
    if (body.get("dataEvictionPolicy") or "noeviction") not in EVICTION:
        raise TaskError("DATABASE_EVICTION_POLICY_INVALID", "No such eviction policy")
    sources = body.get("sourceIps") or []
    if sources and plan["price"] == 0:
        raise TaskError("DATABASE_INVALID_SIP_FREE_PLAN", "Source IPs are not allowed in the free plan")
    if len(sources) > plan["cidrAllowRules"]:
        kind = "FIXED_DATABASE_SOURCE_IPS_LIST_IS_GREATER_THAN_PLAN_MAX_COUNT_ALLOWED_SOURCE_IPS"
        raise TaskError(kind, f"The plan allows {plan['cidrAllowRules']} source IPs")


def merged(database: Database, body: dict[str, Any]) -> Database:
    """A database with the written fields in the places where they are read."""
    result = {**database, "security": dict(database["security"])}
    for key in ("name", "dataPersistence", "dataEvictionPolicy", "replication", "respVersion", "alerts"):
        if body.get(key) is not None:
            result[key] = body[key]
    for written, read in (
        ("password", "password"),
        ("enableTls", "enableTls"),
        ("enableDefaultUser", "defaultUserEnabled"),
    ):
        if body.get(written) is not None:
            result["security"][read] = body[written]
    if "sourceIps" in body:
        result["security"]["sourceIps"] = body["sourceIps"] or ["0.0.0.0/0"]
    if "periodicBackupPath" in body:
        path = body["periodicBackupPath"]
        result["backup"] = {
            "remoteBackupEnabled": bool(path),
            "status": "idle",
            **({"destination": path} if path else {}),
        }
    return result
