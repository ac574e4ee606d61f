"""Essentials subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now
from local_cloud.problems import json_body
from local_cloud.redis_cloud.catalogue import megabytes, plans
from local_cloud.redis_cloud.tasks import TaskError, Tasks, error, not_found

ACCOUNT = 100001
Subscription = dict[str, Any]
Plan = dict[str, Any]
PAYMENT = {
    "id": 7001,
    "type": "Visa",
    "creditCardEndsWith": 1111,
    "nameOnCard": "Local Cloud",
    "expirationMonth": 12,
    "expirationYear": 2099,
}


class Subscriptions:
    """Handlers; state in the store under ``redis_subscription``.

    used, moved: asked how many megabytes a subscription's data takes, told that it has another plan.
    """

    table, holds, command = "redis_subscription", "redis_database", "fixedSubscription"
    used: Callable[[int], Awaitable[float]]
    moved: Callable[[int], Awaitable[None]]

    def __init__(self, cloud: Cloud, tasks: Tasks) -> None:
        self.cloud = cloud
        self.tasks = tasks
        self.plans = {plan["id"]: plan for plan in plans()}

    def load(self, request: web.Request) -> Subscription:
        """The subscription of the path."""
        found = self.cloud.store.get(self.table, request.match_info["subscription"])
        if found is None:
            raise not_found(request, f"Subscription {request.match_info['subscription']} not found")
        return found

    def save(self, subscription: Subscription) -> None:
        self.cloud.store.put(self.table, subscription["id"], subscription)

    def databases(self, subscription: int) -> list[dict[str, Any]]:
        """Databases of a subscription."""
        return [d for d in self.cloud.store.list(self.holds) if d["subscription"] == subscription]

    def shown(self, subscription: Subscription) -> dict[str, Any]:
        """As the API gives it."""
        plan = self.plans[subscription["planId"]]
        taken = ("price", "priceCurrency", "pricePeriod", "size", "sizeMeasurementUnit", "provider", "region", "availability",
                 "maximumDatabases", "connections", "cidrAllowRules", "supportDataPersistence", "supportReplication",
                 "supportClustering", "supportInstantAndDailyBackups", "customerSupport")  # fmt: skip
        return {
            **subscription,
            "planName": plan["name"],
            "planType": "fixed",
            **{key: plan[key] for key in taken},
            "links": [],
        }

    async def index(self, request: web.Request) -> web.Response:
        found = [self.shown(s) for s in self.cloud.store.list(self.table)]
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
            if len([s for s in self.cloud.store.list(self.table) if s["status"] != "active"]) >= 3:
                raise TaskError("TOO_MANY_PENDING_SUBSCRIPTIONS", "Three subscriptions are not active")
            self.check_payment(plan, body, None)
            number = self.cloud.store.next("redis_subscription")
            made = {
                "id": number,
                "name": body["name"],
                "status": "pending",
                "planId": plan["id"],
                "paymentMethodType": body.get("paymentMethod") or "credit-card",
                "paymentMethodId": body.get("paymentMethodId") or 0,
                "creationDate": now(),
            }
            self.save(made)
            self.cloud.spawn(self._activate(number))
            return {"resourceId": number}

        return self.tasks.accept("fixedSubscriptionCreateRequest", work)

    def check_payment(self, plan: Plan, body: dict[str, Any], current: Subscription | None) -> None:
        """Raise TaskError where a plan is not paid, or a free one is."""
        if plan["price"] == 0:
            number = current["id"] if current else None
            others = [s for s in self.cloud.store.list(self.table) if s["id"] != number]
            if any(self.plans[other["planId"]]["price"] == 0 for other in others):
                raise TaskError("FIXED_SUBSCRIPTION_ACCOUNT_ALREADY_HAS_A_FREE_PLAN", "Account already has a free plan")
            if body.get("paymentMethodId"):
                raise TaskError("FIXED_PAYMENT_INFO_NOT_ALLOWED_IN_FREE_FIXED_PLAN", "No payment info with a free plan")
            return
        if (body.get("paymentMethod") or (current or {}).get("paymentMethodType")) == "marketplace":
            return
        if not body.get("paymentMethodId"):
            raise TaskError("PAYMENT_INFO_NOT_PROVIDED", "Payment info was not provided")
        if body["paymentMethodId"] != PAYMENT["id"]:
            raise TaskError("SUBSCRIPTION_PI_NOT_FOUND", "Payment info was not found")

    async def _activate(self, number: int, moves: bool = False) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay)
        if moves:
            await self.moved(number)
        found = self.cloud.store.get(self.table, number)
        if found and found["status"] == "pending":
            self.save({**found, "status": "active"})

    async def restore(self) -> None:
        """After a start of the cloud: go on where it was."""
        for subscription in self.cloud.store.list(self.table):
            if subscription["status"] == "deleting":
                self.cloud.spawn(self._remove(subscription["id"]))
            elif subscription["status"] == "pending":
                self.cloud.spawn(self._activate(subscription["id"]))

    async def update(self, request: web.Request) -> web.Response:
        number, body = self.load(request)["id"], await json_body(request)

        async def work() -> dict[str, Any]:
            current = self.active(number)
            plan = self.plans.get(body.get("planId", current["planId"]))
            moves = plan is None or plan["id"] != current["planId"]
            if plan is None:
                raise TaskError("FIXED_SUBSCRIPTION_UPDATE_INVALID_PLAN", "The subscription cannot move to this plan")
            if moves:
                refusal = self.refusal(current, plan, await self.used(number))
                if refusal:
                    raise TaskError(refusal, "The subscription cannot move to this plan")
                self.check_payment(plan, {"paymentMethodId": current["paymentMethodId"], **body}, current)
            elif "paymentMethodId" in body or "paymentMethod" in body:
                self.check_payment(plan, body, current)
            given: dict[str, Any] = {key: body[key] for key in ("name", "planId", "paymentMethodId") if key in body}
            if "paymentMethod" in body:
                given["paymentMethodType"] = body["paymentMethod"]
            self.save({**current, **given, "status": "pending"})
            self.cloud.spawn(self._activate(number, moves))
            return {"resourceId": number}

        return self.tasks.accept("fixedSubscriptionUpdateRequest", work)

    def active(self, number: int) -> Subscription:
        """A subscription that may be changed."""
        current = self.cloud.store.get(self.table, number)
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
                raise TaskError("SUBSCRIPTION_IN_USE", "Subscription has databases; delete them first")
            self.save({**current, "status": "deleting"})
            self.cloud.spawn(self._remove(number))
            return {"resourceId": number}

        return self.tasks.accept(f"{self.command}DeleteRequest", work, status=200)

    async def _remove(self, number: int) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay)
        self.cloud.store.delete(self.table, number)

    def refusal(self, subscription: Subscription, plan: Plan, used: float) -> str | None:
        """Why it may not move to a plan, if so. used: megabytes that its data takes."""
        current, databases = self.plans[subscription["planId"]], self.databases(subscription["id"])
        multi = [each["availability"] == "Multi-zone" for each in (current, plan)]
        prefix = "FIXED_SUBSCRIPTION_PLAN"
        reasons = {
            "FIXED_MISMATCH_BETWEEN_REQUEST_PLAN_CLOUD_PROVIDER_AND_SUBSCRIPTION_CLOUD_PROVIDER": (
                plan["provider"] != current["provider"]
            ),
            "FIXED_MISMATCH_BETWEEN_REQUEST_PLAN_REGION_AND_SUBSCRIPTION_REGION": plan["region"] != current["region"],
            f"{prefix}_CANNOT_CHANGED_FROM_AVAILABILITY_OF_SINGLE_ZONE_OR_NO_REPLICATION_TO_MULTI_ZONE": (
                multi == [False, True]
            ),
            f"{prefix}_CANNOT_CHANGED_FROM_AVAILABILITY_OF_MULTI_ZONE_TO_SINGLE_ZONE_OR_NO_REPLICATION": (
                multi == [True, False]
            ),
            f"{prefix}_MAX_DATABASES_SMALLER_THEN_CURRENT_SUBSCRIPTION_DATABASES_COUNT": (
                len(databases) > plan["maximumDatabases"]
            ),
            f"{prefix}_SIZE_SMALLER_THEN_CURRENT_SUBSCRIPTION_USAGE": used > megabytes(plan),
            f"{prefix}_NOT_SUPPORT_TLS": (
                not plan["supportSsl"] and any(d["security"]["enableTls"] for d in databases)
            ),
            f"{prefix}_MAX_SOURCE_IPS_IS_SMALLER_THEN_ONE_OF_EXISTING_DATABSE_SOURCE_IPS": any(
                len(d["security"]["sourceIps"]) > plan["cidrAllowRules"] for d in databases
            ),
            "FIXED_SUBSCRIPTION_UPDATE_INVALID_PLAN": current["price"] > 0 and plan["price"] == 0,
        }
        return next((code for code, applies in reasons.items() if applies), None)

    async def plans_of(self, request: web.Request) -> web.Response:
        subscription = self.load(request)
        used = await self.used(subscription["id"])
        found = [plan for plan in self.plans.values() if self.refusal(subscription, plan, used) is None]
        return web.json_response({"plans": found})

    async def list_plans(self, request: web.Request) -> web.Response:
        provider = request.query.get("provider")
        found = [plan for plan in self.plans.values() if provider in (None, "", plan["provider"])]
        if request.query.get("redisFlex"):
            found = [plan for plan in found if str(plan["redisFlex"]).lower() == request.query["redisFlex"].lower()]
        return web.json_response({"plans": found})

    async def one_plan(self, request: web.Request) -> web.Response:
        number = request.match_info["plan"]
        found = self.plans.get(int(number)) if number.isdigit() else None
        if found is None:
            raise not_found(request, f"Plan {number} not found")
        return web.json_response(found)
