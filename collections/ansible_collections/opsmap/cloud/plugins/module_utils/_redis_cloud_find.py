# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subscriptions and databases by name: there is no filter and no unique name, so list and compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_plan import fits
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_task import settle
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience

Object = dict[str, Any]


def find_subscription(
    client: RedisCloud, params: Mapping[str, Any], context: Context, patience: Patience, option: str = "name"
) -> Object | None:
    """The subscription of that id or name, settled. ``option`` holds the name."""
    identifier, name = params.get("subscription_id"), params.get(option)
    if identifier is None:
        matches = [found for found in client.subscriptions() if found.get("name") == name]
    else:
        found = client.find_subscription(identifier)
        if found is None and params["state"] == "present":
            raise bad_option("subscription_id", f"there is no subscription {identifier}", "correct it or leave it out")
        matches = [found] if found else []
    what = f"subscription {name or identifier}"
    return settle(matches, "id", client.find_subscription, what, "subscription_id", context, patience)


def find_database(
    client: RedisCloud, subscription: int, params: Mapping[str, Any], context: Context, patience: Patience
) -> Object | None:
    """The database of the option ``database_id`` or ``name``, settled."""
    identifier, name = params.get("database_id"), params["name"]
    if identifier is None:
        matches = [found for found in client.databases(subscription) if found.get("name") == name]
    else:
        found = client.find_database(subscription, identifier)
        if found is None and params["state"] == "present":
            raise bad_option("database_id", f"there is no database {identifier}", "correct it or leave it out")
        matches = [found] if found else []
    return settle(
        matches,
        "databaseId",
        lambda identifier: client.find_database(subscription, identifier),
        f"database {name}",
        "database_id",
        context,
        patience,
    )


def database_ids(clients: Iterable[RedisCloud], named: Iterable[str], may_miss: bool) -> dict[str, Object | None]:
    """Ids of databases that are named ``subscription/database``, looked for in one family after the other.

    None for one that is not there, if it may miss.
    """
    found: dict[str, Object | None] = dict.fromkeys(named)
    for client in clients:
        missing = {both.partition("/")[0] for both, ids in found.items() if ids is None}
        holders = [each for each in client.subscriptions() if each.get("name") in missing] if missing else []
        for holder in [each for each in holders if each.get("status") != "deleting"]:
            for database in client.databases(holder["id"]):
                both = f"{holder['name']}/{database.get('name')}"
                if found.get(both):
                    raise bad_option("rules", f"{both} is there more than once", "rename one of the subscriptions")
                if both in found:
                    found[both] = {"subscriptionId": holder["id"], "databaseId": database["databaseId"]}
    absent = [both for both, ids in found.items() if ids is None]
    if absent and not may_miss:
        raise bad_option("rules", f"there is no database {absent[0]}", "make it with redis_cloud_database first")
    return found


def observe_subscription(client: RedisCloud, params: Mapping[str, Any], context: Context) -> Object:
    """The subscription, and only those lists that the plan will need."""
    current = find_subscription(client, params, context, context.patience(params))
    seen: Object = {"subscription": current}
    if params["state"] == "absent":
        if current:
            seen["databases"] = [database["name"] for database in client.databases(current["id"])]
    elif current is None:
        seen["plans"] = client.plans(params["provider"], params["redis_flex"])
        seen["payment_methods"] = client.payment_methods()
    else:
        if "redisFlex" not in current:  # the subscription tells all of its plan but this
            current["redisFlex"] = bool(
                (client.find_plan(current["planId"]) or {}).get("redisFlex", params["redis_flex"])
            )
        if not fits(params, current):
            seen["offered"] = client.plans_offered(current["id"])
            seen["payment_methods"] = [] if current.get("price") else client.payment_methods()
    return seen
