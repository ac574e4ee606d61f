"""Essentials databases: each is a real server."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now
from local_cloud.problems import json_body
from local_cloud.redis_cloud import memcached, server
from local_cloud.redis_cloud.access import users_of
from local_cloud.redis_cloud.catalogue import megabytes
from local_cloud.redis_cloud.fields import HIDDEN, VERSIONS, check, merged, new
from local_cloud.redis_cloud.subscriptions import ACCOUNT, Subscriptions
from local_cloud.redis_cloud.tasks import TaskError, Tasks, error, not_found

Database = dict[str, Any]
TABLES = ("redis_database", "redis_pro_database")
ENGINES: dict[str, ModuleType] = {"memcached": memcached}
IN_ORDER = asyncio.Lock()  # changes of servers, so that none writes what another has just replaced


def engine(database: Database) -> ModuleType:
    """What starts and changes its server."""
    return ENGINES.get(database["protocol"], server)


class Databases:
    """Handlers; state in the store under ``table``. command: what names of tasks begin with."""

    table, command, created = "redis_database", "fixedDatabase", 200

    def __init__(self, cloud: Cloud, tasks: Tasks, subscriptions: Subscriptions) -> None:
        self.cloud = cloud
        self.tasks = tasks
        self.subscriptions = subscriptions

    def load(self, request: web.Request) -> Database:
        """The database of the path."""
        subscription = self.subscriptions.load(request)
        found = self.cloud.store.get(self.table, request.match_info["database"])
        if found is None or found["subscription"] != subscription["id"]:
            raise not_found(request, f"Database {request.match_info['database']} not found")
        return found

    def save(self, database: Database) -> None:
        self.cloud.store.put(self.table, database["databaseId"], database)

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
        return web.json_response({"accountId": ACCOUNT, "subscription": self.page(page), "links": []})

    def page(self, page: dict[str, Any]) -> Any:
        """A page of the list; Pro has it in a list."""
        return page

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.load(request)))

    async def create(self, request: web.Request) -> web.Response:
        subscription, body = self.subscriptions.load(request)["id"], await json_body(request)
        if not body.get("name"):
            raise error(request, 400, "Bad Request", "name is required")

        async def work() -> dict[str, Any]:
            current = self.subscriptions.active(subscription)
            return self.make(current, body)

        return self.tasks.accept(f"{self.command}CreateRequest", work, status=self.created)

    def make(self, subscription: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Begin a database; what its task answers."""
        siblings = self.subscriptions.databases(subscription["id"])
        plan = self.subscriptions.plans[subscription["planId"]]
        if len(siblings) >= plan["maximumDatabases"]:
            kind = "FIXED_DATABASE_FIXED_SUBSCRIPTION_REACHED_MAX_DATABASES_COUNT"
            raise TaskError(kind, f"The plan allows {plan['maximumDatabases']} databases")
        check(body, plan, [sibling["name"] for sibling in siblings], tls=False)
        number = self.cloud.store.next("redis_database")
        port = self.cloud.take_port(f"redis-{number}")
        self.save(new(number, subscription["id"], plan, port, body))
        self.cloud.spawn(self._provision(number))
        return {"resourceId": number}

    async def _provision(self, number: int) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay / 2)
        self._become(number, "pending")
        await asyncio.sleep(self.cloud.provisioning_delay / 2)
        await self._serve(number)
        self._become(number, "dynamic-endpoints-creation-pending")
        await asyncio.sleep(self.cloud.provisioning_delay / 4)
        self._become(number, "active")

    async def _serve(self, number: int) -> None:
        found = self.cloud.store.get(self.table, number)
        if found:
            await engine(found).start(self.cloud, found, self.limits(found), users_of(self.cloud, number))
            if source := await self.source(found):
                await server.follow(self.cloud, found, source)

    async def source(self, database: Database) -> server.Source | None:
        """What it copies. Of the account's own databases host and port are enough."""
        if not database.get("replica"):
            return None
        wanted = database["replica"]["syncSources"][0]
        given = urlsplit(wanted["endpoint"])
        for own in (one for table in TABLES for one in self.cloud.store.list(table)):
            if (own["host"], own["port"]) == (given.hostname, given.port):
                place = await server.address(self.cloud, own)
                return server.Source(place, own["port"], server.KEEPER, own["keeper"], own["security"]["enableTls"])
        login = unquote(given.username or ""), unquote(given.password or "")
        return server.Source(str(given.hostname), int(given.port or 0), *login, bool(wanted.get("encryption")))

    def plan_of(self, database: Database) -> dict[str, Any]:
        """The plan of its subscription."""
        subscription = self.cloud.store.get(self.subscriptions.table, database["subscription"]) or {}
        return self.subscriptions.plans[subscription["planId"]]

    def limits(self, database: Database) -> server.Limits:
        """What its plan allows its server."""
        plan = self.plan_of(database)
        return server.Limits(megabytes(plan), int(plan["connections"]))

    def _become(self, number: int, status: str) -> None:
        found = self.cloud.store.get(self.table, number)
        if found:
            self.save({**found, "status": status})

    async def update(self, request: web.Request) -> web.Response:
        database, body = self.load(request), await json_body(request)
        number, subscription = database["databaseId"], database["subscription"]

        async def work() -> dict[str, Any]:
            current = self.active(number)
            others = [d["name"] for d in self.subscriptions.databases(subscription) if d["databaseId"] != number]
            changed = self.changed(current, body, others)
            on = server.default_user(current)
            if body.get("enableDefaultUser") is False and body.get("password"):
                kind = "DISABLING_THE_DEFAULT_USER_AND_UPDATING_A_NEW_PASSWORD_IS_NOT_ALLOWED"
                raise TaskError(kind, "The default user is being disabled")
            if not body.get("enableDefaultUser", on) and body.get("password"):
                kind = "NOT_ALLOWED_TO_UPDATE_A_DATABASE_PASSWORD_WHEN_DEFAULT_USER_IS_DISABLED"
                raise TaskError(kind, "The default user is disabled")
            self.begin(current, {**changed, "lastModified": now()}, "active-change-draft")
            return {"resourceId": number}

        return self.tasks.accept(f"{self.command}UpdateRequest", work, status=200)

    def changed(self, current: Database, body: dict[str, Any], others: list[str]) -> Database:
        """The database that an update asks for, or a TaskError. others: names that are taken."""
        check(body, self.plan_of(current), others, current["security"]["enableTls"])
        return merged(current, body)

    def begin(self, before: Database, changed: Database, status: str) -> None:
        """Start a change. ``next`` is what it shall become, also after a restart of the cloud."""
        self.save({**before, "status": status, "next": changed})
        self.cloud.spawn(self._apply(before, changed))

    async def _apply(self, before: Database, changed: Database) -> None:
        """Old values are read for a while, then the new ones, then it is active."""
        number = changed["databaseId"]
        await asyncio.sleep(self.cloud.provisioning_delay / 4)
        self.save({**changed, "status": "active-change-pending"})
        await self.bring_in_line(number, before)
        await asyncio.sleep(self.cloud.provisioning_delay / 4)
        self._become(number, "active")

    async def bring_in_line(self, number: int, before: Database | None = None) -> None:
        """Have the server follow the state, one change after the other."""
        async with IN_ORDER:
            found = self.cloud.store.get(self.table, number)
            if found and found["status"] not in ("draft", "pending", "deleting"):
                limits, users = self.limits(found), users_of(self.cloud, number)
                await engine(found).change(self.cloud, before or found, found, limits, users)
                if found.get("replica") != (before or {}).get("replica"):
                    await server.follow(self.cloud, found, await self.source(found))

    async def apply_users(self, numbers: set[int]) -> None:
        """Bring the users of these databases in line with the account's roles."""
        for number in sorted(numbers):
            await self.bring_in_line(number)

    async def moved(self, subscription: int) -> None:
        """The subscription has another plan."""
        for database in self.subscriptions.databases(subscription):
            plan = self.plan_of(database)
            sizes = {"planMemoryLimit": plan["size"], "memoryLimitMeasurementUnit": plan["sizeMeasurementUnit"]}
            self.save({**database, **sizes})
            await self.bring_in_line(database["databaseId"])
            await server.move(self.cloud, database)

    async def used_megabytes(self, subscription: int) -> float:
        """Memory that the databases of a subscription take."""
        found = self.subscriptions.databases(subscription)
        return sum([await server.used_megabytes(self.cloud, d) for d in found if d["status"] == "active"])

    def active(self, number: int) -> Database:
        """A database that may be changed."""
        current = self.cloud.store.get(self.table, number)
        if current is None:
            raise TaskError("DATABASE_NOT_FOUND", f"Database {number} was not found", "404 NOT_FOUND")
        if current["status"] != "active":
            raise TaskError("DATABASE_NOT_ACTIVE", f"Database {number} is not active")
        subscription = self.cloud.store.get(self.subscriptions.table, current["subscription"]) or {}
        if subscription["status"] != "active":
            raise TaskError("DATABASE_SUBSCRIPTION_IN_PENDING_STATUS", "The subscription is not active")
        return current

    async def upgrade(self, request: web.Request) -> web.Response:
        number, body = self.load(request)["databaseId"], await json_body(request)

        async def work() -> dict[str, Any]:
            current, target = self.active(number), body.get("targetRedisVersion")
            if current["protocol"] == "memcached":
                raise TaskError("DATABASE_UPGRADE_OF_MEMCACHED_IS_NOT_SUPPORTED", "The protocol is memcached")
            if target not in VERSIONS or VERSIONS.index(target) <= VERSIONS.index(current["redisVersion"]):
                raise TaskError("DATABASE_UPGRADE_INVALID_REDIS_VERSION", f"Cannot upgrade to {target}")
            self.begin(current, {**current, "redisVersion": target}, "active-upgrade-pending")
            return {"resourceId": number}

        return self.tasks.accept(f"{self.command}UpgradeRequest", work, status=200)

    async def targets(self, request: web.Request) -> web.Response:
        at = VERSIONS.index(self.load(request)["redisVersion"])
        return web.json_response({"targets": [{"redisVersion": version} for version in VERSIONS[at + 1 :]]})

    async def delete(self, request: web.Request) -> web.Response:
        number = self.load(request)["databaseId"]

        async def work() -> dict[str, Any]:
            self.active(number)
            self._become(number, "deleting")
            self.cloud.spawn(self._remove(number))
            return {"resourceId": number}

        return self.tasks.accept(f"{self.command}DeleteRequest", work, status=200)

    async def _remove(self, number: int) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay / 4)
        found = self.cloud.store.get(self.table, number)
        if found:
            await server.server(self.cloud, found).remove()
            self.cloud.store.delete(self.table, number)

    async def restore(self) -> None:
        """After a start of the cloud: go on where it was."""
        for database in self.cloud.store.list(self.table):
            number = database["databaseId"]
            if database["status"] == "deleting":
                self.cloud.spawn(self._remove(number))
            elif database.get("next"):
                self.save(database["next"])
                self.cloud.spawn(self._provision(number))
            elif database["status"] != "active" or not await server.server(self.cloud, database).running():
                self.cloud.spawn(self._provision(number))

    async def reset(self) -> None:
        """Remove all."""
        for database in self.cloud.store.list(self.table):
            await server.server(self.cloud, database).remove()
