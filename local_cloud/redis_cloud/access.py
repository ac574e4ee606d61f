"""Access control of the account: rules, roles and users, put into force as users of the redis-servers (reference 2)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.problems import json_body
from local_cloud.redis_cloud import server
from local_cloud.redis_cloud.subscriptions import ACCOUNT
from local_cloud.redis_cloud.tasks import TaskError, Tasks, not_found

Object = dict[str, Any]
DEFAULTS = {"Full-Access": "+@all ~*", "Read-Write": "+@all -@dangerous ~*", "Read-Only": "+@read ~*"}
TOKEN = re.compile(r"allkeys|allchannels|allcommands|nocommands|[+-]@?[\w|-]+|(~|%(R|W|RW)~|&)\S+")
NAME = re.compile(r"[A-Za-z0-9][\w.@-]{0,49}")


def rules_of(cloud: Cloud) -> list[Object]:
    """The built-in rules, then the account's own."""
    built_in = [
        {"id": number, "name": name, "acl": acl, "isDefault": True, "status": "active"}
        for number, (name, acl) in enumerate(DEFAULTS.items(), 1)
    ]
    return [*built_in, *cloud.store.list("redis_acl_rule")]


def users_of(cloud: Cloud, database: int) -> server.Users:
    """The users that a database has by the account's roles."""
    acls = {rule["name"]: rule["acl"] for rule in rules_of(cloud)}
    roles = {role["name"]: role for role in cloud.store.list("redis_acl_role")}
    found: server.Users = {}
    for user in cloud.store.list("redis_acl_user"):
        for rule in roles.get(user["role"], {"redisRules": []})["redisRules"]:
            if user["status"] != "deleting" and any(d["databaseId"] == database for d in rule["databases"]):
                found[user["name"]] = (user["hash"], acls.get(rule["ruleName"], ""))
    return found


def check_rule(text: str) -> None:
    """Raise TaskError unless it is an ACL text."""
    if not text.split():
        raise TaskError("ACL_REDIS_RULE_PATTERN_IS_MISSING", "The rule is empty")
    for token in text.split():
        if not TOKEN.fullmatch(token):
            raise TaskError("ACL_REDIS_RULE_PATTERN_NOT_VALID", f"{token} is not valid in a rule")


def check_name(kind: str, name: str, others: list[str]) -> None:
    """Raise TaskError unless a name is one, and free. ``kind``: as in the codes, such as ACL_ROLE."""
    if not NAME.fullmatch(name or ""):
        raise TaskError(f"{kind}_NAME_NOT_VALID", f"{name} is no valid name")
    if name in others:
        raise TaskError(f"{kind}_NAME_ALREADY_EXISTS", f"{name} exists already")


def renamed_rule(role: Object, old: str, new: str) -> Object:
    """A role whose rule has another name."""
    rules = [{**rule, "ruleName": new if rule["ruleName"] == old else rule["ruleName"]} for rule in role["redisRules"]]
    return {**role, "redisRules": rules}


class Kind:
    """Handlers of one kind of object. After a change it is pending until its databases follow it."""

    table = ""
    word = ""  # in names of commands
    listed = ""  # key of the list
    hidden: tuple[str, ...] = ()

    def __init__(self, cloud: Cloud, tasks: Tasks, apply_users: Any) -> None:
        self.cloud = cloud
        self.tasks = tasks
        self.apply_users = apply_users

    def all(self) -> list[Object]:
        return self.cloud.store.list(self.table)

    def others(self, item: Object | None) -> list[str]:
        """Names of the others."""
        return [other["name"] for other in self.all() if other["id"] != (item or {}).get("id")]

    def shown(self, item: Object) -> Object:
        return {**{key: value for key, value in item.items() if key not in self.hidden}, "links": []}

    def make(self, body: Object, current: Object | None) -> Object:
        """The object that a body asks for, or a TaskError."""
        raise NotImplementedError

    def check_removal(self, item: Object) -> None:
        """Raise TaskError when it may not go."""

    def databases(self, item: Object) -> set[int]:
        """The databases that a change of it concerns."""
        raise NotImplementedError

    async def index(self, request: web.Request) -> web.Response:
        found = [self.shown(item) for item in self.all()]
        return web.json_response({"accountId": ACCOUNT, self.listed: found, "links": []})

    def load(self, request: web.Request) -> Object:
        number = request.match_info["id"]
        found = next((item for item in self.all() if str(item["id"]) == number), None)
        if found is None:
            raise not_found(request, f"ACL {self.word} {number} not found")
        return found

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(self.load(request)))

    async def create(self, request: web.Request) -> web.Response:
        body = await json_body(request)

        async def work() -> Object:
            made = self.make(body, None)
            number = self.cloud.store.next("redis_acl", start=1000)
            self._begin({"id": number, **made})
            return {"resourceId": number}

        return self.tasks.accept(f"acl{self.word}CreateRequest", work)

    async def update(self, request: web.Request) -> web.Response:
        current, body = self.load(request), await json_body(request)

        async def work() -> Object:
            made = self.make(body, current)
            self._begin({**current, **made}, self.databases(current))
            return {"resourceId": current["id"]}

        return self.tasks.accept(f"acl{self.word}UpdateRequest", work, status=200)

    async def delete(self, request: web.Request) -> web.Response:
        current = self.load(request)

        async def work() -> Object:
            self.check_removal(current)
            self.cloud.store.put(self.table, current["id"], {**current, "status": "deleting"})
            self.cloud.spawn(self._remove(current))
            return {"resourceId": current["id"]}

        return self.tasks.accept(f"acl{self.word}DeleteRequest", work, status=200)

    def _begin(self, item: Object, also: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        self.cloud.store.put(self.table, item["id"], {**item, "status": "pending"})
        self.cloud.spawn(self._settle(item, also))

    async def _settle(self, item: Object, also: set[int]) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay / 4)
        await self.apply_users(self.databases(item) | also)
        self.cloud.store.put(self.table, item["id"], {**item, "status": "active"})

    def restore(self) -> None:
        """After a start of the cloud: go on where it was."""
        for item in self.cloud.store.list(self.table):
            if item["status"] == "deleting":
                self.cloud.spawn(self._remove(item))
            elif item["status"] == "pending":
                self.cloud.spawn(self._settle(item, set()))

    def rename(self, table: str, change: Callable[[Object], Object]) -> None:
        """Have the objects that refer to this one by its name follow."""
        for item in self.cloud.store.list(table):
            self.cloud.store.put(table, item["id"], change(item))

    async def _remove(self, item: Object) -> None:
        await asyncio.sleep(self.cloud.provisioning_delay / 4)
        concerned = self.databases(item)
        self.cloud.store.delete(self.table, item["id"])
        await self.apply_users(concerned)


class Rules(Kind):
    """``redisRule`` is written, ``acl`` is read."""

    table, word, listed = "redis_acl_rule", "RedisRule", "redisRules"

    def all(self) -> list[Object]:
        return rules_of(self.cloud)

    def make(self, body: Object, current: Object | None) -> Object:
        if current and current["isDefault"]:
            raise TaskError("ACL_REDIS_RULE_CANNOT_UPDATE_DEFAULT", "A built-in rule cannot be changed")
        check_name("ACL_REDIS_RULE", body.get("name", ""), self.others(current))
        check_rule(body.get("redisRule") or "")
        if current and current["name"] != body["name"]:
            self.rename("redis_acl_role", lambda role: renamed_rule(role, current["name"], body["name"]))
        return {"name": body["name"], "acl": body["redisRule"], "isDefault": False}

    def _roles(self, item: Object) -> list[Object]:
        roles = self.cloud.store.list("redis_acl_role")
        return [role for role in roles if any(rule["ruleName"] == item["name"] for rule in role["redisRules"])]

    def check_removal(self, item: Object) -> None:
        if item["isDefault"]:
            raise TaskError("ACL_REDIS_RULE_CANNOT_DELETE_DEFAULT", "A built-in rule cannot be deleted")
        if self._roles(item):
            raise TaskError("ACL_REDIS_RULE_CANNOT_DELETE_WHEN_ASSOCIATED_WITH_ROLES", "A role uses the rule")

    def databases(self, item: Object) -> set[int]:
        return {d["databaseId"] for role in self._roles(item) for rule in role["redisRules"] for d in rule["databases"]}


class Roles(Kind):
    """Which rule holds on which database."""

    table, word, listed = "redis_acl_role", "Role", "roles"

    def shown(self, item: Object) -> Object:
        ids = {rule["name"]: rule["id"] for rule in rules_of(self.cloud)}
        rules = [{"ruleId": ids.get(rule["ruleName"]), **rule} for rule in reversed(item["redisRules"])]
        users = [{"id": u["id"], "name": u["name"]} for u in self._users(item)]
        return {**super().shown(item), "redisRules": rules, "users": users}

    def _users(self, item: Object) -> list[Object]:
        return [user for user in self.cloud.store.list("redis_acl_user") if user["role"] == item["name"]]

    def make(self, body: Object, current: Object | None) -> Object:
        if current and current["status"] == "pending":
            raise TaskError("ACL_ROLE_IS_IN_PENDING_STATUS_AND_CANNOT_BE_UPDATED", "The role is pending")
        name = body.get("name") or (current or {}).get("name", "")
        check_name("ACL_ROLE", name, self.others(current))
        rules = body.get("redisRules", (current or {}).get("redisRules"))
        if not rules:
            raise TaskError("ACL_ROLE_REDIS_RULES_IS_MISSING", "A role needs rules")
        known, seen = {rule["name"] for rule in rules_of(self.cloud)}, set()
        for rule in rules:
            if rule["ruleName"] not in known:
                raise TaskError("ACL_REDIS_RULE_DOES_NOT_EXISTS", f"There is no rule {rule['ruleName']}")
            for database in rule["databases"]:
                tables = ("redis_database", "redis_pro_database")
                if not any(self.cloud.store.get(table, database["databaseId"]) for table in tables):
                    raise TaskError("DATABASE_NOT_FOUND", f"Database {database['databaseId']} was not found")
                if database["databaseId"] in seen:
                    kind = "ACL_ROLE_REDIS_RULE_MUST_BE_DEFINED_ONLY_ONCE_PER_DATABASE"
                    raise TaskError(kind, "A database has two rules in this role")
                seen.add(database["databaseId"])
        if current and current["name"] != name:
            old = current["name"]
            self.rename("redis_acl_user", lambda user: {**user, "role": name if user["role"] == old else user["role"]})
        return {"name": name, "redisRules": rules}

    def check_removal(self, item: Object) -> None:
        if item["status"] == "pending":
            raise TaskError("ACL_ROLE_IS_IN_PENDING_STATUS_AND_CANNOT_BE_DELETED", "The role is pending")
        if self._users(item):
            raise TaskError("ACL_ROLE_HAS_ACTIVE_USERS_AND_CANNOT_BE_DELETED", "The role has users")

    def databases(self, item: Object) -> set[int]:
        return {d["databaseId"] for rule in item["redisRules"] for d in rule["databases"]}


class Users(Kind):
    """The password is kept as the server keeps it, and never shown."""

    table, word, listed, hidden = "redis_acl_user", "User", "users", ("hash",)

    def make(self, body: Object, current: Object | None) -> Object:
        if current is None:
            check_name("ACL_USER", body.get("name", ""), [*self.others(None), "default", server.KEEPER])
            if not body.get("password"):
                raise TaskError("ACL_USER_PASSWORD_IS_MISSING", "The password is missing")
        role = body.get("role") or (current or {}).get("role")
        if role not in [item["name"] for item in self.cloud.store.list("redis_acl_role")]:
            raise TaskError("ACL_ROLE_DOES_NOT_EXISTS", f"There is no role {role}")
        password = body.get("password")
        if password and not 8 <= len(password) <= 128:
            raise TaskError("ACL_USER_PASSWORD_NOT_VALID", "The password must have 8 to 128 characters")
        made = {"role": role, "hash": server.hashed(password) if password else (current or {})["hash"]}
        return made if current else {"name": body["name"], **made}

    def databases(self, item: Object) -> set[int]:
        roles = [role for role in self.cloud.store.list("redis_acl_role") if role["name"] == item["role"]]
        return {d["databaseId"] for role in roles for rule in role["redisRules"] for d in rule["databases"]}
