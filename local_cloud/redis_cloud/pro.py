"""Pro: subscriptions that are deployments of their own, and databases sized by data and throughput (reference 2 and 6)."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now
from local_cloud.problems import json_body
from local_cloud.redis_cloud import server
from local_cloud.redis_cloud.catalogue import REGIONS
from local_cloud.redis_cloud.databases import Databases
from local_cloud.redis_cloud.fields import VERSION, check_certificates, check_common, password
from local_cloud.redis_cloud.subscriptions import Subscription, Subscriptions
from local_cloud.redis_cloud.tasks import TaskError, Tasks, error

Object = dict[str, Any]
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
MINIMUM = 0.881  # an hour; invented, as all prices
GB_HOUR = 0.06
PLAIN = ("name", "dataPersistence", "dataEvictionPolicy", "replication", "respVersion", "alerts", "throughputMeasurement",
         "supportOSSClusterApi", "useExternalEndpointForOSSClusterApi", "queryPerformanceFactor", "autoMinorVersionUpgrade")  # fmt: skip


def size(body: Object, replication: bool) -> tuple[float, float]:
    """Size of the data and memory, in GB; exactly one of them is given."""
    data, memory = float(body.get("datasetSizeInGb") or 0), float(body.get("memoryLimitInGb") or 0)
    if data and memory:
        raise TaskError("DATABASE_SIZE_LIMIT_INVALID_TOO_MANY_MEMORY_SPECIFICATIONS", "Give one size")
    if not data and not memory:
        raise TaskError("DATABASE_SIZE_LIMIT_NOT_DEFINED", "The size is missing")
    copies = 2 if replication else 1
    return (data, data * copies) if data else (memory / copies, memory)


def pricing(databases: list[Object], region: str) -> list[Object]:
    """What an hour costs, line by line."""
    memory = sum(size(body, body.get("replication", True))[1] * body.get("quantity", 1) for body in databases)
    common = {"priceCurrency": "USD", "pricePeriod": "hour", "region": region}
    shards = {
        "type": "Shards",
        "typeDetails": "small",
        "quantity": max(1, round(memory)),
        "quantityMeasurement": "shards",
    }
    least = {"type": "MinimumPrice", "quantity": 1, "quantityMeasurement": "subscription", "pricePerUnit": MINIMUM}
    return [{**shards, "pricePerUnit": GB_HOUR, **common}, {**least, **common}]


def new(number: int, subscription: Subscription, port: int, body: Object) -> Object:
    """A database as a create makes it."""
    cloud = subscription["cloudDetails"][0]
    region = cloud["regions"][0]["region"]
    made: Object = {
        "databaseId": number,
        "subscription": subscription["id"],
        "port": port,
        "host": f"redis-{port}.c{number}.{region}-1.local-cloud.internal",
        "tags": {},
        "clients": [],
        "keeper": secrets.token_urlsafe(24),
        "name": body["name"],
        "protocol": body.get("protocol") or "redis",
        "provider": cloud["provider"],
        "region": region,
        "redisVersion": body.get("redisVersion") or VERSION,
        "respVersion": "resp2",
        "status": "draft",
        "memoryUsedInMb": 2,
        "memoryStorage": subscription["memoryStorage"],
        "supportOSSClusterApi": False,
        "useExternalEndpointForOSSClusterApi": False,
        "autoMinorVersionUpgrade": True,
        "dataPersistence": "none",
        "replication": True,
        "dataEvictionPolicy": "volatile-lru",
        "throughputMeasurement": {"by": "operations-per-second", "value": 1000},
        "activatedOn": now(),
        "clustering": {"numberOfShards": 1, "regexRules": [], "hashingPolicy": "standard"},
        "security": {
            "enableDefaultUser": True,
            "password": password(),
            "sslClientAuthentication": False,
            "tlsClientAuthentication": False,
            "enableTls": False,
            "sourceIps": ["0.0.0.0/0"] if subscription["publicEndpointAccess"] else PRIVATE,
        },
        "replica": None,
        "modules": body.get("modules") or [],
        "alerts": [],
        "backup": {"enableRemoteBackup": False},
    }
    made["datasetSizeInGb"], made["memoryLimitInGb"] = size(body, body.get("replication", True))
    return merged(made, body, subscription)


def merged(database: Object, body: Object, subscription: Subscription) -> Object:
    """A database with the written fields in the places where they are read."""
    given = {key: body[key] for key in PLAIN if body.get(key) is not None}
    result = {**database, **given, "security": dict(database["security"])}
    security = result["security"]
    if "datasetSizeInGb" in body or "memoryLimitInGb" in body:
        result["datasetSizeInGb"], result["memoryLimitInGb"] = size(body, result["replication"])
    elif "replication" in body:
        result["memoryLimitInGb"] = result["datasetSizeInGb"] * (2 if result["replication"] else 1)
    for key in ("password", "enableTls", "enableDefaultUser"):
        if body.get(key) is not None:
            security[key] = body[key]
    if "sourceIp" in body:
        nowhere = ["0.0.0.0/0"] if subscription["publicEndpointAccess"] else PRIVATE
        security["sourceIps"] = body["sourceIp"] or nowhere
    if body.get("clientTlsCertificates") is not None:
        result["clients"] = [item["publicCertificatePEMString"] for item in body["clientTlsCertificates"]]
    if not security["enableTls"]:
        result["clients"] = []
    security["tlsClientAuthentication"] = bool(result["clients"])
    if "replica" in body:
        result["replica"] = body["replica"] if body["replica"]["syncSources"] else None
    if "remoteBackup" in body:
        result["backup"] = backup(body["remoteBackup"])
    return result


def backup(wanted: Object) -> Object:
    """How backups read back. Of two a day, the morning's hour is told."""
    if not wanted.get("active"):
        return {"enableRemoteBackup": False}
    hour = wanted.get("timeUTC")
    if hour and wanted["interval"] == "every-12-hours":
        hour = f"{int(hour.partition(':')[0]) % 12:02d}:00"
    shown = {"interval": wanted["interval"], "timeUTC": hour, "destination": wanted["storagePath"]}
    return {"enableRemoteBackup": True, **{key: value for key, value in shown.items() if value}}


class ProSubscriptions(Subscriptions):
    """Handlers; the first databases are made with the subscription."""

    table, holds, command = "redis_pro_subscription", "redis_pro_database", "subscription"
    databases_of: Databases

    def shown(self, subscription: Subscription) -> Object:
        return {**subscription, "numberOfDatabases": len(self.databases(subscription["id"])), "links": []}

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if not body.get("cloudProviders") or not body.get("databases"):
            raise error(request, 400, "Bad Request", "cloudProviders and databases are required")

        async def work() -> Object:
            region = self._check(body)
            if body.get("dryRun"):
                return {"resource": {"pricing": pricing(body["databases"], region["region"])}}
            cloud = body["cloudProviders"][0]
            networks = [{"deploymentCIDR": region.get("networking", {}).get("deploymentCIDR", "10.0.0.0/24")}]
            where = {**region, "networking": networks}
            where.setdefault("multipleAvailabilityZones", False)
            made: Subscription = {
                "id": self.cloud.store.next("redis_pro_subscription"),
                "name": body.get("name") or "subscription",
                "status": "pending",
                "paymentMethodType": body.get("paymentMethod") or "credit-card",
                "paymentMethodId": body.get("paymentMethodId") or 0,
                "memoryStorage": body.get("memoryStorage") or "ram",
                "publicEndpointAccess": body.get("publicEndpointAccess", True),
                "cloudDetails": [{"provider": cloud.get("provider") or "AWS", "cloudAccountId": 1, "regions": [where]}],
            }
            self.save(made)
            for spec in body["databases"]:
                self.databases_of.make(made, {key: value for key, value in spec.items() if key != "quantity"})
            self.cloud.spawn(self._activate(made["id"]))
            return {"resourceId": made["id"]}

        return self.tasks.accept("subscriptionCreateRequest", work)

    def _check(self, body: Object) -> Object:
        """The one region, or a TaskError."""
        cloud = body["cloudProviders"][0]
        region: Object = cloud["regions"][0]
        provider = cloud.get("provider") or "AWS"
        if provider not in REGIONS or region["region"] not in REGIONS[provider]:
            raise TaskError("SUBSCRIPTION_INVALID_REGION_NAME", f"{provider} has no region {region['region']}")
        network = region.get("networking", {}).get("deploymentCIDR")
        if network and ipaddress.ip_network(network).prefixlen != 24:
            raise TaskError("SUBSCRIPTION_INVALID_CIDR", "The deployment's network must be a /24")
        self.check_payment({"price": 1}, body, None)
        return region

    async def update(self, request: web.Request) -> web.Response:
        number, body = self.load(request)["id"], await json_body(request)

        async def work() -> Object:
            current = self.active(number)
            if "paymentMethodId" in body or "paymentMethod" in body:
                self.check_payment({"price": 1}, body, current)
            given: Object = {
                key: body[key] for key in ("name", "paymentMethodId", "publicEndpointAccess") if key in body
            }
            if "paymentMethod" in body:
                given["paymentMethodType"] = body["paymentMethod"]
            self.save({**current, **given, "status": "pending"})
            self.cloud.spawn(self._activate(number))
            return {"resourceId": number}

        return self.tasks.accept("subscriptionUpdateRequest", work, status=200)

    async def _activate(self, number: int, moves: bool = False) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay)
        while any(d["status"] in ("draft", "pending") for d in self.databases(number)):
            await asyncio.sleep(0.1)
        found = self.cloud.store.get(self.table, number)
        if found and found["status"] == "pending":
            self.save({**found, "status": "active"})

    async def pricing(self, request: web.Request) -> web.Response:
        subscription = self.load(request)
        region = subscription["cloudDetails"][0]["regions"][0]["region"]
        held = [{**d, "memoryLimitInGb": None} for d in self.databases(subscription["id"])]
        return web.json_response({"pricing": pricing(held, region)})


class ProDatabases(Databases):
    """Handlers. ``sourceIp`` is written, ``security.sourceIps`` is read; a list holds the page of databases."""

    table, command, created = "redis_pro_database", "database", 202
    subscriptions: ProSubscriptions

    def __init__(self, cloud: Cloud, tasks: Tasks, subscriptions: ProSubscriptions) -> None:
        super().__init__(cloud, tasks, subscriptions)
        subscriptions.databases_of = self

    def page(self, page: Object) -> Any:
        return [page]

    def shown(self, database: Object) -> Object:
        found = super().shown(database)
        subscription = self.cloud.store.get(self.subscriptions.table, database["subscription"]) or {}
        public = found.pop("publicEndpoint", None)
        if public:
            found["privateEndpoint"] = public.replace(".c", ".internal.c", 1)
            found.update({"publicEndpoint": public} if subscription.get("publicEndpointAccess") else {})
        return found

    def make(self, subscription: Subscription, body: Object) -> Object:
        names = [sibling["name"] for sibling in self.subscriptions.databases(subscription["id"])]
        check_pro(body, names, tls=False)
        size(body, body.get("replication", True))
        if body.get("dryRun"):
            region = subscription["cloudDetails"][0]["regions"][0]["region"]
            return {"resource": {"pricing": pricing([body], region)}}
        number = self.cloud.store.next("redis_database")
        port = self._port(number, body.get("port"))
        self.save(new(number, subscription, port, body))
        self.cloud.spawn(self._provision(number))
        return {"resourceId": number}

    def _port(self, number: int, wanted: int | None) -> int:
        if wanted is None:
            return self.cloud.take_port(f"redis-{number}")
        if not 10000 <= wanted <= 19999:
            raise TaskError("DATABASE_PORT_INVALID_VALUE", "The port must be from 10000 to 19999")
        if wanted in self.cloud.used_ports() or not self.cloud.settings.port(20) <= wanted < self.cloud.settings.port(
            100
        ):
            raise TaskError("DATABASE_PORT_IS_UNAVAILABLE", f"Port {wanted} is not free")
        self.cloud.store.put("port", wanted, {"port": wanted, "owner": f"redis-{number}"})
        return wanted

    def changed(self, current: Object, body: Object, others: list[str]) -> Object:
        check_pro(body, others, current["security"]["enableTls"])
        subscription = self.cloud.store.get(self.subscriptions.table, current["subscription"]) or {}
        return merged(current, body, subscription)

    def limits(self, database: Object) -> server.Limits:
        return server.Limits(max(1, round(database["datasetSizeInGb"] * 1024)), 10000)


def check_pro(body: Object, names: list[str], tls: bool) -> None:
    """Raise TaskError for what a Pro database cannot have."""
    check_common(body, body.get("sourceIp") or [], names)
    wanted = body.get("remoteBackup") or {}
    if wanted.get("active") and not (
        wanted.get("interval") and wanted.get("storageType") and wanted.get("storagePath")
    ):
        raise TaskError("DATABASE_INVALID_BACKUP_CONFIGURATION", "An active backup needs interval, type and path")
    if wanted.get("timeUTC") and wanted.get("interval") not in ("every-12-hours", "every-24-hours"):
        raise TaskError("DATABASE_INVALID_BACKUP_INTERVAL_AND_TIME_UTC_MISMATCH", "No hour with this interval")
    certificates = [item.get("publicCertificatePEMString", "") for item in body.get("clientTlsCertificates") or []]
    check_certificates(certificates, bool(body.get("enableTls", tls)))
