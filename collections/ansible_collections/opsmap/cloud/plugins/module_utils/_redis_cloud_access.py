# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control of an account: rules, roles and users. They have names only, so list and compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Handlers, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_task import (
    end_of_creates,
    perform,
    settle,
    wait_active,
    wait_gone,
)

Object = dict[str, Any]


@dataclass
class Access:
    """One object. kind: as in the API's paths; what: for messages, such as ``role readers``."""

    client: RedisCloud
    kind: str
    what: str
    params: Mapping[str, Any]
    context: Context
    identifier: int = 0

    def __post_init__(self) -> None:
        self.patience = self.context.patience(self.params)

    def handlers(self) -> Handlers:
        """By the names that plans use."""
        return {"create": self.create, "update": self.update, "delete": self.delete}

    def find(self) -> Object | None:
        """The object of the name, settled."""
        named = [item for item in self.client.access(self.kind) if item.get("name") == self.params["name"]]
        found = settle(named, "id", self._by_id, self.what, "another name", self.context, self.patience)
        self.identifier = int(found["id"]) if found else 0
        return found

    def create(self, body: Object) -> None:
        """Make it, once, and wait until it is active."""

        def look() -> int | None:
            end_of_creates(self.client, self.patience)
            found = self.find()
            return int(found["id"]) if found else None

        def make() -> int | None:
            start = self.client.create_access
            return perform(self.client, f"create {self.what}", lambda: start(self.kind, body), self.patience)

        made = make_once(look, make, self.params["api_retries"], self.context.clock)
        self.identifier = made or look() or 0
        self._settled()

    def update(self, body: Object) -> None:
        """Change it and wait until it is active again."""
        start = self.client.update_access
        perform(self.client, f"update {self.what}", lambda: start(self.kind, self.identifier, body), self.patience)
        self._settled()

    def delete(self) -> None:
        """Remove it and wait for its end."""
        start = self.client.delete_access
        perform(self.client, f"delete {self.what}", lambda: start(self.kind, self.identifier), self.patience)
        wait_gone(lambda: self._by_id(self.identifier), self.what, self.patience)

    def _settled(self) -> None:
        wait_active(lambda: self._by_id(self.identifier), self.what, self.patience)

    def _by_id(self, identifier: int) -> Object | None:
        """There is no call for one rule or role."""
        return next((item for item in self.client.access(self.kind) if item.get("id") == identifier), None)


def removal(params: Mapping[str, Any], what: str, current: Object | None, users: list[str]) -> Plan:
    """The plan that removes an object. users: names of what still needs it."""
    if current is None:
        return Plan()
    name = params["name"]
    if params["confirm_destroy"] != name:
        raise bad_option("confirm_destroy", f"is not {name!r}", f"give the {what.split()[0]}'s name to remove it")
    if users:
        raise refused(f"delete {what}", f"it is used by {', '.join(users)}", "remove or change these first")
    result = Plan(before={"name": name})
    result.add("delete", f"delete {what}")
    return result


def change(what: str, before: Object, after: Object, body: Object) -> Plan:
    """The plan for what differs between before and after; none if nothing does."""
    result = Plan(before=before, after=after)
    different = [key for key in after if after[key] != before.get(key)]
    if different:
        result.add("update", f"update {what}: {', '.join(different)}", body=body)
    return result


def run_access(
    access: Access, plan: Callable[[Object], Plan], observe: Callable[[Object | None], Object]
) -> dict[str, Any]:
    """Converge one object. observe: what the plan needs beside it."""

    def look() -> Object:
        current = access.find()
        return {"current": current, **observe(current)}

    return converge(
        look,
        plan,
        lambda made: apply(made, access.handlers(), access.context),
        lambda observed: observed["current"],
        access.context,
    )
