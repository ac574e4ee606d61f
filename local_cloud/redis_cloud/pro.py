"""Pro: subscriptions that are deployments of their own, and databases sized by data and throughput (reference 2 and 6)."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.problems import json_body
from local_cloud.redis_cloud import server
from local_cloud.redis_cloud.catalogue import REGIONS
from local_cloud.redis_cloud.databases import Databases
from local_cloud.redis_cloud.pro_fields import check_pro, merged, new, pricing, size
from local_cloud.redis_cloud.subscriptions import Subscription, Subscriptions
from local_cloud.redis_cloud.tasks import TaskError, Tasks, error

Object = dict[str, Any]


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
        check_pro(body, names, {"memoryStorage": subscription["memoryStorage"]})
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
        check_pro(body, others, current)
        subscription = self.cloud.store.get(self.subscriptions.table, current["subscription"]) or {}
        return merged(current, body, subscription)

    def limits(self, database: Object) -> server.Limits:
        return server.Limits(max(1, round(database["datasetSizeInGb"] * 1024)), 10000)
