"""Essentials subscriptions."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now
from local_cloud.problems import json_body
from local_cloud.redis_cloud.catalogue import plans
from local_cloud.redis_cloud.tasks import TaskError, Tasks, error, not_found

ACCOUNT = 100001
Subscription = dict[str, Any]
PAYMENT = {
    "id": 7001,
    "type": "Visa",
    "creditCardEndsWith": 1111,
    "nameOnCard": "Local Cloud",
    "expirationMonth": 12,
    "expirationYear": 2099,
}


class Subscriptions:
    """Handlers; state in the store under ``redis_subscription``."""

    def __init__(self, cloud: Cloud, tasks: Tasks) -> None:
        self.cloud = cloud
        self.tasks = tasks
        self.plans = {plan["id"]: plan for plan in plans()}

    def load(self, request: web.Request) -> Subscription:
        """The subscription of the path."""
        found = self.cloud.store.get("redis_subscription", request.match_info["subscription"])
        if found is None:
            raise not_found(request, f"Subscription {request.match_info['subscription']} not found")
        return found

    def save(self, subscription: Subscription) -> None:
        self.cloud.store.put("redis_subscription", subscription["id"], subscription)

    def databases(self, subscription: int) -> list[dict[str, Any]]:
        """Databases of a subscription."""
        return [d for d in self.cloud.store.list("redis_database") if d["subscription"] == subscription]

    def shown(self, subscription: Subscription) -> dict[str, Any]:
        """As the API gives it."""
        plan = self.plans[subscription["planId"]]
        taken = ("price", "priceCurrency", "pricePeriod", "size", "sizeMeasurementUnit", "provider", "region", "availability",
                 "maximumDatabases", "connections", "cidrAllowRules", "supportDataPersistence", "supportReplication",
                 "supportClustering", "supportedAlerts", "redisFlex", "customerSupport", "maximumBandwidthGB")  # fmt: skip
        return {
            **subscription,
            "planName": plan["name"],
            "planType": "fixed",
            **{key: plan[key] for key in taken},
            "links": [],
        }

    async def index(self, request: web.Request) -> web.Response:
        found = [self.shown(s) for s in self.cloud.store.list("redis_subscription")]
        return web.json_response({"accountId": ACCOUNT, "subscriptions": found})

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.load(request)))

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if not body.get("name") or not isinstance(body.get("planId"), int):
            raise error(request, 400, "Bad Request", "name and planId are required")

        async def work() -> dict[str, Any]:
            plan = self.plans.get(body["planId"])
            if plan is None:
                raise TaskError("FIXED_SUBSCRIPTION_CREATE_PLAN_NOT_FOUND", f"Plan {body['planId']} was not found")
            self._check_payment(plan, body)
            number = self.cloud.store.next("redis_subscription")
            made = {
                "id": number,
                "name": body["name"],
                "status": "pending",
                "planId": plan["id"],
                "paymentMethod": body.get("paymentMethod") or "credit-card",
                "paymentMethodId": body.get("paymentMethodId") or 0,
                "creationDate": now(),
            }
            self.save(made)
            self.cloud.spawn(self._activate(number))
            return {"resourceId": number}

        return self.tasks.accept("fixedSubscriptionCreateRequest", work)

    def _check_payment(self, plan: dict[str, Any], body: dict[str, Any]) -> None:
        if plan["price"] == 0:
            free = [s for s in self.cloud.store.list("redis_subscription") if self.plans[s["planId"]]["price"] == 0]
            if free:
                raise TaskError("FIXED_SUBSCRIPTION_ACCOUNT_ALREADY_HAS_A_FREE_PLAN", "Account already has a free plan")
            if body.get("paymentMethodId"):
                raise TaskError("FIXED_PAYMENT_INFO_NOT_ALLOWED_IN_FREE_FIXED_PLAN", "No payment info with a free plan")
            return
        if body.get("paymentMethod") == "marketplace":
            return
        if not body.get("paymentMethodId"):
            raise TaskError("PAYMENT_INFO_NOT_PROVIDED", "Payment info was not provided")
        if body["paymentMethodId"] != PAYMENT["id"]:
            raise TaskError("SUBSCRIPTION_PI_NOT_FOUND", "Payment info was not found")

    async def _activate(self, number: int) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay)
        found = self.cloud.store.get("redis_subscription", number)
        if found and found["status"] == "pending":
            self.save({**found, "status": "active"})

    async def update(self, request: web.Request) -> web.Response:
        number, body = self.load(request)["id"], await json_body(request)

        async def work() -> dict[str, Any]:
            current = self.active(number)
            allowed = {current["planId"], *(plan["id"] for plan in self.movable(current))}
            if body.get("planId") and body["planId"] not in allowed:
                raise TaskError("FIXED_SUBSCRIPTION_UPDATE_INVALID_PLAN", "The subscription cannot move to this plan")
            given: dict[str, Any] = {
                key: body[key] for key in ("name", "planId", "paymentMethod", "paymentMethodId") if key in body
            }
            self.save({**current, **given, "status": "pending"})
            self.cloud.spawn(self._activate(number))
            return {"resourceId": number}

        return self.tasks.accept("fixedSubscriptionUpdateRequest", work)

    def active(self, number: int) -> Subscription:
        """A subscription that may be changed."""
        current = self.cloud.store.get("redis_subscription", number)
        if current is None:
            raise TaskError("SUBSCRIPTION_NOT_FOUND", f"Subscription {number} was not found", "404 NOT_FOUND")
        if current["status"] != "active":
            raise TaskError("SUBSCRIPTION_NOT_ACTIVE", f"Subscription {number} is not active")
        return current

    async def delete(self, request: web.Request) -> web.Response:
        number = self.load(request)["id"]

        async def work() -> dict[str, Any]:
            current = self.active(number)
            if self.databases(number):
                raise TaskError("SUBSCRIPTION_NOT_EMPTY", "Subscription has databases; delete them first")
            self.save({**current, "status": "deleting"})
            self.cloud.spawn(self._remove(number))
            return {"resourceId": number}

        return self.tasks.accept("fixedSubscriptionDeleteRequest", work, status=200)

    async def _remove(self, number: int) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay)
        self.cloud.store.delete("redis_subscription", number)

    def movable(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Plans that it may move to."""
        current = self.plans[subscription["planId"]]
        zones = current["availability"] == "Multi-zone"
        return [
            plan
            for plan in self.plans.values()
            if (plan["provider"], plan["region"]) == (current["provider"], current["region"])
            and (plan["availability"] == "Multi-zone") == zones
            and plan["price"] > 0
        ]

    async def plans_of(self, request: web.Request) -> web.Response:
        return web.json_response({"plans": self.movable(self.load(request))})

    async def list_plans(self, request: web.Request) -> web.Response:
        provider = request.query.get("provider")
        found = [plan for plan in self.plans.values() if provider in (None, "", plan["provider"])]
        return web.json_response({"plans": found})

    async def one_plan(self, request: web.Request) -> web.Response:
        number = request.match_info["plan"]
        found = self.plans.get(int(number)) if number.isdigit() else None
        if found is None:
            raise not_found(request, f"Plan {number} not found")
        return web.json_response(found)
