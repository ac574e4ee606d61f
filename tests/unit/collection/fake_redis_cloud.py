"""Redis Cloud Essentials in memory: every write is a task that needs looks to proceed, as the reference says."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from tests.unit.collection.fake_http import Answer, Fake, Route

PLAN = {
    "id": 9,
    "name": "Single-Zone_1GB",
    "size": 1,
    "sizeMeasurementUnit": "GB",
    "provider": "AWS",
    "region": "us-east-1",
    "availability": "Single-zone",
    "price": 22,
    "priceCurrency": "USD",
    "pricePeriod": "Month",
    "redisFlex": False,
    "cidrAllowRules": 8,
    "supportDataPersistence": True,
}
UNREAD = ("passes", "certificates", "hidden", "stale", "old")
TARGETS = [{"redisVersion": "7.4"}, {"redisVersion": "8.0"}]
BIGGER = {**PLAN, "id": 12, "name": "Single-Zone_5GB", "size": 5, "price": 90}


@dataclass
class FakeRedisCloud(Fake):
    """early_404: how often a fresh task is missing. states: what a new resource passes through, one state a look.

    fail: commandType -> what ``response.error`` is, used once.
    late: whether a new resource is there only when its task is processed. hidden: how often a new one is missing after that.
    stale: how often an active database is read with its old values after a change.
    silent: whether tasks tell no response while they run, and no resource when they are done.
    """

    late: bool = False
    hidden: int = 0
    stale: int = 0
    silent: bool = False

    early_404: int = 2
    states: tuple[str, ...] = ("pending", "dynamic-endpoints-creation-pending", "never-heard-of")
    fail: dict[str, Any] = field(default_factory=dict)
    plans: list[dict[str, Any]] = field(default_factory=lambda: [PLAN, BIGGER])
    subscriptions: dict[int, dict[str, Any]] = field(default_factory=dict)
    databases: dict[int, dict[str, Any]] = field(default_factory=dict)
    tags: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    access: dict[str, dict[int, dict[str, Any]]] = field(
        default_factory=lambda: {"redisRules": {}, "roles": {}, "users": {}}
    )
    number: int = 100

    def authorized(self, headers: Any) -> bool:
        return bool(headers.get("x-api-key") == "key" and headers.get("x-api-secret-key") == "secret")

    def routes(self) -> list[Route]:
        sub, base = r"/v1/fixed/subscriptions/(\d+)", r"/v1/fixed/subscriptions/(\d+)/databases"
        return [
            ("GET", "/v1/fixed/plans", lambda: (200, {"plans": self.plans})),
            ("GET", r"/v1/fixed/plans/(\d+)", self.get_plan),
            ("GET", r"/v1/fixed/plans/subscriptions/(\d+)", lambda sid: (200, {"plans": self.plans})),
            ("GET", "/v1/payment-methods", lambda: (200, {"paymentMethods": [{"id": 77, "type": "Visa"}]})),
            ("GET", "/v1/tasks", lambda: (200, {"tasks": [self.step(task) for task in self.tasks.values()]})),
            ("GET", r"/v1/tasks/([\w-]+)", self.get_task),
            ("GET", "/v1/fixed/subscriptions", self.list_subscriptions),
            ("POST", "/v1/fixed/subscriptions", self.post_subscription),
            ("GET", sub, lambda sid: self.look(self.subscriptions, sid)),
            (
                "PUT",
                sub,
                lambda sid, body: self.change("fixedSubscriptionUpdateRequest", self.subscriptions, sid, body),
            ),
            ("DELETE", sub, lambda sid: self.remove("fixedSubscriptionDeleteRequest", self.subscriptions, sid)),
            ("GET", base, self.list_databases),
            ("POST", base, self.post_database),
            ("GET", base + r"/(\d+)", lambda sid, did: self.look(self.databases, did)),
            ("PUT", base + r"/(\d+)", lambda sid, did, body: self.change("db", self.databases, did, body)),
            ("DELETE", base + r"/(\d+)", lambda sid, did: self.remove("db", self.databases, did)),
            (
                "GET",
                base + r"/(\d+)/tags",
                lambda sid, did: (200, {"tags": self.tags.get(did)} if did in self.tags else {}),
            ),
            ("PUT", base + r"/(\d+)/tags", self.put_tags),
            ("POST", base + r"/(\d+)/upgrade", self.upgrade),
            ("GET", base + r"/(\d+)/available-target-versions", lambda sid, did: (200, {"targets": TARGETS})),
            ("POST", base + r"/(\d+)/backup", lambda sid, did, body: self.begin("databaseBackupRequest", did)),
            *self.access_routes(),
        ]

    def access_routes(self) -> list[Route]:
        def listed(kind: str) -> Answer:
            found = [self.look(self.access[kind], number)[1] for number in list(self.access[kind])]
            return 200, {kind: [item for item in found if "name" in item]}

        def post(kind: str, body: dict[str, Any]) -> Answer:
            return self.add(f"{kind}CreateRequest", self.access[kind], "id", self.read_back(body))

        def put(kind: str, number: int, body: dict[str, Any]) -> Answer:
            self.access[kind][number].update(self.read_back(body), passes=["pending"])
            return self.begin(f"{kind}UpdateRequest", number)

        path = "/v1/acl/(redisRules|roles|users)"
        return [
            ("GET", path, listed),
            ("POST", path, post),
            ("PUT", path + r"/(\d+)", put),
            ("DELETE", path + r"/(\d+)", lambda kind, number: self.remove(kind, self.access[kind], number)),
        ]

    @staticmethod
    def read_back(body: dict[str, Any]) -> dict[str, Any]:
        """``redisRule`` reads back as ``acl``, a password not at all."""
        renamed = {"redisRule": "acl"}
        return {renamed.get(key, key): value for key, value in body.items() if key != "password"}

    def upgrade(self, sid: int, did: int, body: dict[str, Any]) -> Answer:
        self.databases[did].update(redisVersion=body["targetRedisVersion"], passes=["active-upgrade-pending"])
        return self.begin("databaseUpgradeRequest", did)

    def get_plan(self, identifier: int) -> Answer:
        found = [plan for plan in self.plans if plan["id"] == identifier]
        return (200, found[0]) if found else (404, {"message": "plan not found"})

    def task(self, command: str, resource: int | None) -> Answer:
        self.number += 1
        task = {"taskId": f"task-{self.number}", "commandType": command, "status": "received", "response": {}}
        self.tasks[str(task["taskId"])] = {**task, "resource": resource, "missing": self.early_404, "looks": 2}
        return 202, task

    def step(self, task: dict[str, Any]) -> dict[str, Any]:
        task["looks"] -= 1
        if task["looks"] <= 0 and task["status"] == "received":
            task["status"] = "processing-completed"
            task["response"] = {"resourceId": task["resource"]}
            if task.get("error"):
                task["status"], task["response"] = "processing-error", {"error": task["error"]}
            elif task.get("adds"):
                where, number, resource = task.pop("adds")
                where[number] = resource
        shown = {key: task[key] for key in ("taskId", "commandType", "status", "response")}
        if self.silent and not task.get("error"):
            del shown["response"]
        return shown

    def get_task(self, identifier: str) -> Answer:
        task = self.tasks.get(identifier)
        if task is None or task["missing"] > 0:
            if task:
                task["missing"] -= 1
            return 404, {"status": 404, "error": "Not Found", "message": "task not found"}
        return 200, self.step(task)

    def begin(self, command: str, resource: int | None) -> Answer:
        status, task = self.task(command, resource)
        if command in self.fail:
            self.tasks[task["taskId"]]["error"] = self.fail.pop(command)
        return status, task

    def add(self, command: str, where: dict[int, dict[str, Any]], key: str, resource: dict[str, Any]) -> Answer:
        failing = command in self.fail
        self.number += 1
        number = self.number
        made = {**resource, key: number, "status": "pending", "passes": list(self.states), "hidden": self.hidden}
        status, task = self.begin(command, None if failing else number)
        if not failing and self.late:
            self.tasks[task["taskId"]]["adds"] = (where, number, made)
        elif not failing:
            where[number] = made
        return status, task

    def look(self, where: dict[int, dict[str, Any]], identifier: int) -> Answer:
        found = where.get(identifier)
        if found is None:
            return 404, {"status": 404, "error": "Not Found", "message": "resource not found"}
        if found.get("hidden"):
            found["hidden"] -= 1
            return 404, {"status": 404, "error": "Not Found", "message": "resource not found"}
        if found.get("stale"):
            found["stale"] -= 1
            return 200, {**found["old"], "status": "active"}
        if found["passes"]:
            found["status"] = found["passes"].pop(0)
        elif found["status"] == "deleting":
            del where[identifier]
            return 404, {"message": "gone"}
        elif found["status"] != "error":
            found["status"] = "active"
            if where is self.databases:
                found["publicEndpoint"] = f"redis-{identifier}.example.com:{identifier}"
        return 200, {key: value for key, value in found.items() if key not in UNREAD}

    def change(self, command: str, where: dict[int, dict[str, Any]], identifier: int, body: dict[str, Any]) -> Answer:
        found = where[identifier]
        if found["status"] != "active":
            self.fail[command] = "DATABASE_NOT_ACTIVE"
        elif where is self.databases and self.refuses_password(found["security"], body):
            self.fail[command] = "NOT_ALLOWED_TO_UPDATE_A_DATABASE_PASSWORD_WHEN_DEFAULT_USER_IS_DISABLED"
        elif where is self.databases:
            old = copy.deepcopy({key: value for key, value in found.items() if key not in UNREAD})
            self.write(found, body)
            found.update(stale=self.stale, old=old)
            found["passes"] = ["active-change-pending"]
        else:
            found.update(body)
            found.update(self.plan_part(found["planId"]))
        return self.begin(command, identifier)

    @staticmethod
    def refuses_password(security: dict[str, Any], body: dict[str, Any]) -> bool:
        return "password" in body and not body.get("enableDefaultUser", security["defaultUserEnabled"])

    def remove(self, command: str, where: dict[int, dict[str, Any]], identifier: int) -> Answer:
        if identifier in where:
            where[identifier].update(status="deleting", passes=["deleting"])
        return self.begin(command, identifier)

    def plan_part(self, identifier: int) -> dict[str, Any]:
        plan = next(plan for plan in self.plans if plan["id"] == identifier)
        return {"planId": identifier, **{key: plan[key] for key in plan if key not in ("id", "name", "redisFlex")}}

    def list_subscriptions(self) -> Answer:
        listed = [
            {key: value for key, value in item.items() if key not in UNREAD} for item in self.subscriptions.values()
        ]
        return 200, {"accountId": 1, "subscriptions": listed}

    def post_subscription(self, body: dict[str, Any]) -> Answer:
        made = {"name": body["name"], "paymentMethodType": body.get("paymentMethod"), **self.plan_part(body["planId"])}
        return self.add("fixedSubscriptionCreateRequest", self.subscriptions, "id", made)

    def list_databases(self, sid: int) -> Answer:
        mine = [item for item in self.databases.values() if item["sid"] == sid]
        if not mine:
            return 404, {"message": "no databases"}
        brief = [{key: value for key, value in item.items() if key not in UNREAD} for item in mine]
        return 200, {"accountId": 1, "subscription": {"subscriptionId": sid, "databases": brief}}

    def post_database(self, sid: int, body: dict[str, Any]) -> Answer:
        security = {
            "defaultUserEnabled": True,
            "enableTls": False,
            "password": "madeByServer",
            "sourceIps": ["0.0.0.0/0"],
        }
        made: dict[str, Any] = {"sid": sid, "protocol": "stack", "security": security, "backup": {}, "alerts": []}
        self.write(made, {key: value for key, value in body.items() if key != "enableDefaultUser"})
        return self.add("fixedDatabaseCreateRequest", self.databases, "databaseId", made)

    def write(self, database: dict[str, Any], body: dict[str, Any]) -> None:
        renamed = {"enableDefaultUser": "defaultUserEnabled", "enableTls": "enableTls", "password": "password"}
        for key, value in body.items():
            if key in renamed:
                database["security"][renamed[key]] = value
            elif key == "sourceIps":
                database["security"]["sourceIps"] = list(reversed(value)) or ["0.0.0.0/0"]
            elif key == "clientTlsCertificates":
                database["certificates"] = value
            elif key == "periodicBackupPath":
                database["backup"] = {"remoteBackupEnabled": bool(value), "destination": value}
            else:
                database[key] = value
        if not database["security"].get("enableTls"):
            database["certificates"] = []
        database["security"]["tlsClientAuthentication"] = bool(database.get("certificates"))

    def put_tags(self, sid: int, did: int, body: dict[str, Any]) -> Answer:
        self.tags[did] = body["tags"]
        return 200, {"tags": body["tags"]}
