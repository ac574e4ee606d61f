# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed calls of the Redis Cloud REST API. Subscriptions and databases are of one family: Essentials ("fixed") or Pro."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import HTTP_OPTIONS, from_env
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport, path
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

OPTIONS: dict[str, Any] = {
    "api_url": {
        "type": "str",
        "default": "https://api.redislabs.com/v1",
        "fallback": from_env("OPSMAP_REDIS_CLOUD_API_URL", "REDISCLOUD_URL"),
    },
    "api_key": {"type": "str", "required": True, "no_log": True, "fallback": from_env("REDISCLOUD_ACCESS_KEY")},
    "api_secret_key": {"type": "str", "required": True, "no_log": True, "fallback": from_env("REDISCLOUD_SECRET_KEY")},
    **HTTP_OPTIONS,
}

HINTS: dict[int | str, str] = {
    401: "check api_key (the account's) and api_secret_key (the user's), and that the API is enabled in the console",
    403: "the key's role or its list of allowed addresses does not cover this",
    429: "400 requests a minute are allowed for one account key; run again later",
}
PAGE = 100

Object = dict[str, Any]


class RedisCloud:
    """One account. Every method is one call (lists of databases: one a page); ``find_*`` gives None for a 404.

    pro: whether subscriptions and databases are those of Pro. The ids of the families have nothing to do with each other.
    """

    def __init__(self, params: Mapping[str, Any], clock: Clock | None = None, pro: bool = False) -> None:
        self.base = "/subscriptions" if pro else "/fixed/subscriptions"
        for option in ("api_key", "api_secret_key"):
            if not params.get(option):
                raise bad_option(option, "is empty", "give it, or set its environment variable")
        self.http = Transport(
            service="redis_cloud",
            base_url=params["api_url"],
            headers={"x-api-key": Secret(params["api_key"]), "x-api-secret-key": Secret(params["api_secret_key"])},
            timeout=params["api_timeout"],
            retries=params["api_retries"],
            ca_path=params["ca_path"],
            hints=HINTS,
            clock=clock or Clock(),
        )

    def plans(self, provider: str, redis_flex: bool) -> list[Object]:
        """All Essentials plans of a provider."""
        query = {"provider": provider, "redisFlex": str(redis_flex).lower()}
        return self._list("/fixed/plans", "plans", "list plans", query)

    def all_plans(self) -> list[Object]:
        """All Essentials plans."""
        return self._list("/fixed/plans", "plans", "list plans")

    def find_plan(self, plan_id: int) -> Object | None:
        """One plan; retired ones are not there any more."""
        found: Object | None = self.http.find(path("/fixed/plans/{id}", id=plan_id), operation=f"get plan {plan_id}")
        return found

    def plans_offered(self, subscription: int) -> list[Object]:
        """The plans to which a subscription may move."""
        where = path("/fixed/plans/subscriptions/{id}", id=subscription)
        return self._list(where, "plans", f"list plans for subscription {subscription}")

    def payment_methods(self) -> list[Object]:
        """The account's payment methods."""
        return self._list("/payment-methods", "paymentMethods", "list payment methods")

    def tasks(self) -> list[Object]:
        """Tasks of the last ten days."""
        return self._list("/tasks", "tasks", "list tasks")

    def find_task(self, task: str) -> Object | None:
        """One task; a fresh one can be missing for a moment."""
        found: Object | None = self.http.find(path("/tasks/{id}", id=task), operation=f"get task {task}")
        return found

    def subscriptions(self) -> list[Object]:
        """All subscriptions of the family."""
        return self._list(self.base, "subscriptions", "list subscriptions")

    def find_subscription(self, subscription: int) -> Object | None:
        """One subscription."""
        where = self._subscription(subscription)
        found: Object | None = self.http.find(where, operation=f"get subscription {subscription}")
        return found

    def create_subscription(self, body: Object) -> Object:
        """Start making a subscription; gives the task."""
        return self._task("POST", self.base, f"create subscription {body['name']}", body)

    def update_subscription(self, subscription: int, body: Object) -> Object:
        """Start changing a subscription; gives the task."""
        where = self._subscription(subscription)
        return self._task("PUT", where, f"update subscription {subscription}", body)

    def delete_subscription(self, subscription: int) -> Object:
        """Start removing an empty subscription; gives the task."""
        where = self._subscription(subscription)
        return self._task("DELETE", where, f"delete subscription {subscription}")

    def databases(self, subscription: int) -> list[Object]:
        """All databases of a subscription. A 404 means that there are none (any more)."""
        where = self._subscription(subscription) + "/databases"
        found: list[Object] = []
        while True:
            query = {"offset": len(found), "limit": PAGE}
            body = self.http.find(where, operation=f"list databases of subscription {subscription}", query=query) or {}
            holder = body.get("subscription") or {}
            holder = holder[0] if isinstance(holder, list) else holder  # Pro answers with a list here
            page = holder.get("databases") or []
            found += page
            if len(page) < PAGE:
                return found

    def find_database(self, subscription: int, database: int) -> Object | None:
        """One database, with its password."""
        found: Object | None = self.http.find(
            self._database(subscription, database), operation=f"get database {database}"
        )
        return found

    def create_database(self, subscription: int, body: Object) -> Object:
        """Start making a database; gives the task."""
        where = self._subscription(subscription) + "/databases"
        return self._task("POST", where, f"create database {body['name']}", body)

    def update_database(self, subscription: int, database: int, body: Object) -> Object:
        """Start changing a database; gives the task."""
        return self._task("PUT", self._database(subscription, database), f"update database {database}", body)

    def delete_database(self, subscription: int, database: int) -> Object:
        """Start removing a database; gives the task."""
        return self._task("DELETE", self._database(subscription, database), f"delete database {database}")

    def tags(self, subscription: int, database: int) -> dict[str, str]:
        """The tags of a database."""
        where = self._database(subscription, database) + "/tags"
        return {tag["key"]: tag["value"] for tag in self._list(where, "tags", f"list tags of database {database}")}

    def replace_tags(self, subscription: int, database: int, tags: Mapping[str, str]) -> None:
        """Set exactly these tags; done when it returns, without a task."""
        body = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        where = self._database(subscription, database) + "/tags"
        self.http.call("PUT", where, operation=f"set tags of database {database}", body=body)

    def access(self, kind: str) -> list[Object]:
        """All objects of access control; ``kind`` is ``redisRules``, ``roles`` or ``users``."""
        return self._list(path("/acl/{kind}", kind=kind), kind, f"list ACL {kind}")

    def create_access(self, kind: str, body: Object) -> Object:
        """Start making an object of access control; gives the task."""
        return self._task("POST", path("/acl/{kind}", kind=kind), f"create in ACL {kind}: {body['name']}", body)

    def update_access(self, kind: str, identifier: int, body: Object) -> Object:
        """Start changing an object of access control; gives the task."""
        where = path("/acl/{kind}/{id}", kind=kind, id=identifier)
        return self._task("PUT", where, f"update {identifier} of ACL {kind}", body)

    def delete_access(self, kind: str, identifier: int) -> Object:
        """Start removing an object of access control; gives the task."""
        where = path("/acl/{kind}/{id}", kind=kind, id=identifier)
        return self._task("DELETE", where, f"delete {identifier} of ACL {kind}")

    def upgrade_database(self, subscription: int, database: int, version: str) -> Object:
        """Start raising the Redis version; gives the task."""
        where = self._database(subscription, database) + "/upgrade"
        return self._task("POST", where, f"upgrade database {database}", {"targetRedisVersion": version})

    def upgrade_targets(self, subscription: int, database: int) -> list[str]:
        """The Redis versions to which a database can be raised."""
        where = self._database(subscription, database) + "/available-target-versions"
        found = self._list(where, "targets", f"list versions for database {database}")
        return [str(target["redisVersion"]) for target in found]

    def back_up_database(self, subscription: int, database: int) -> Object:
        """Start a backup to the database's backup path; gives the task."""
        return self._task(
            "POST", self._database(subscription, database) + "/backup", f"back up database {database}", {}
        )

    def pricing(self, subscription: int) -> list[Object]:
        """What a Pro subscription costs, line by line."""
        where = self._subscription(subscription) + "/pricing"
        return self._list(where, "pricing", f"get pricing of subscription {subscription}")

    def _subscription(self, subscription: int) -> str:
        return self.base + path("/{id}", id=subscription)

    def _database(self, subscription: int, database: int) -> str:
        return self._subscription(subscription) + path("/databases/{id}", id=database)

    def _list(self, where: str, key: str, operation: str, query: Mapping[str, Any] | None = None) -> list[Object]:
        body = self.http.find(where, operation=operation, query=query)
        return list(body if isinstance(body, list) else (body or {}).get(key) or [])

    def _task(self, method: str, where: str, operation: str, body: Object | None = None) -> Object:
        repeatable = False if method == "POST" else None
        answer = self.http.call(method, where, operation=operation, body=body, repeatable=repeatable).body
        return answer if isinstance(answer, dict) else {}
