# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writes of subscriptions and databases, each followed until what it changed is settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Handlers
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_database import (
    NOT_WAITED_FOR,
    Family,
    canonical,
    changes,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_find import find_database, find_subscription
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_task import (
    end_of_creates,
    perform,
    wait_active,
    wait_gone,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience

Object = dict[str, Any]


@dataclass
class SubscriptionWriter:
    """One subscription."""

    client: RedisCloud
    params: Mapping[str, Any]
    context: Context

    def __post_init__(self) -> None:
        self.patience = self.context.patience(self.params)
        self.what = f"subscription {self.params['name']}"

    def handlers(self) -> Handlers:
        """By the names that the plan uses."""
        return {"create": self.create, "update": self.update, "delete": self.delete}

    def create(self, body: Object) -> None:
        """Make it, once, and wait until it is active."""

        def look() -> int | None:
            end_of_creates(self.client, self.patience)
            found = find_subscription(self.client, self.params, self.context, self.patience)
            return int(found["id"]) if found else None

        def make() -> int | None:
            start = self.client.create_subscription
            return perform(self.client, f"create {self.what}", lambda: start(body), self.patience)

        identifier = make_once(look, make, self.params["api_retries"], self.context.clock)
        if identifier is None:
            identifier = look()  # the task told no resourceId
        self._settle(identifier or 0, {})

    def update(self, subscription: int, body: Object) -> None:
        """Change name, plan or payment."""
        start = self.client.update_subscription
        perform(self.client, f"update {self.what}", lambda: start(subscription, body), self.patience)
        self._settle(subscription, {key: body[key] for key in ("name", "planId") if key in body})

    def delete(self, subscription: int) -> None:
        """Remove it and wait for its end."""
        start = self.client.delete_subscription
        perform(self.client, f"delete {self.what}", lambda: start(subscription), self.patience)
        wait_gone(lambda: self.client.find_subscription(subscription), self.what, self.patience)

    def _settle(self, subscription: int, values: Object) -> None:
        def arrived(seen: Object) -> bool:
            return values.items() <= seen.items()

        wait_active(lambda: self.client.find_subscription(subscription), self.what, self.patience, arrived)


@dataclass
class DatabaseWriter:
    """One database of one subscription; both ids are told by whoever observes."""

    client: RedisCloud
    params: Mapping[str, Any]
    context: Context
    family: Family
    subscription: int = 0
    database: int | None = None
    patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        self.patience = self.context.patience(self.params)
        self.what = f"database {self.params['name']}"

    def handlers(self) -> Handlers:
        """By the names that the plan uses."""
        return {
            "create": self.create,
            "upgrade": self.upgrade,
            "update": self.update,
            "tag": self.tag,
            "backup": self.backup,
            "delete": self.delete,
        }

    def create(self, body: Object) -> None:
        """Make it, once, and wait until it is active."""

        def look() -> int | None:
            end_of_creates(self.client, self.patience)
            found = find_database(self.client, self.subscription, self.params, self.context, self.patience)
            return int(found["databaseId"]) if found else None

        def make() -> int | None:
            start = self.client.create_database
            return perform(self.client, f"create {self.what}", lambda: start(self.subscription, body), self.patience)

        retries = self.params["api_retries"]
        self.database = make_once(look, make, retries, self.context.clock)
        if self.database is None:
            self.database = look()  # the task told no resourceId
        self._settle({})

    def update(self, body: Object) -> None:
        """Change it; old values may be read for a while, so wait for the new ones."""
        start, identifier = self.client.update_database, self._id()
        perform(self.client, f"update {self.what}", lambda: start(self.subscription, identifier, body), self.patience)
        self._settle(body)

    def upgrade(self, version: str) -> None:
        """Raise the Redis version and wait until it is read back."""
        start, identifier = self.client.upgrade_database, self._id()
        perform(
            self.client, f"upgrade {self.what}", lambda: start(self.subscription, identifier, version), self.patience
        )
        wait_active(
            self._find, self.what, self.patience, lambda seen: str(seen.get("redisVersion")).startswith(version)
        )

    def backup(self) -> None:
        """Make a backup where the database's backups go, and wait for its end."""
        start, identifier = self.client.back_up_database, self._id()
        perform(self.client, f"back up {self.what}", lambda: start(self.subscription, identifier), self.patience)

    def tag(self, tags: dict[str, str]) -> None:
        """Tags are set at once, without a task."""
        self.client.replace_tags(self.subscription, self._id(), tags)

    def delete(self) -> None:
        """Remove it and wait for its end."""
        start, identifier = self.client.delete_database, self._id()
        perform(self.client, f"delete {self.what}", lambda: start(self.subscription, identifier), self.patience)
        wait_gone(self._find, self.what, self.patience)

    def _settle(self, body: Object) -> None:
        waited = set(body) - set(NOT_WAITED_FOR)

        def arrived(seen: Object) -> bool:
            return not any(
                self.family.key(option) in waited for option in changes(self.family, self.params, canonical(seen))
            )

        wait_active(self._find, self.what, self.patience, arrived)
        wait_active(
            lambda: self.client.find_subscription(self.subscription), f"the subscription of {self.what}", self.patience
        )

    def _find(self) -> Object | None:
        return self.client.find_database(self.subscription, self._id())

    def _id(self) -> int:
        return int(self.database or 0)
