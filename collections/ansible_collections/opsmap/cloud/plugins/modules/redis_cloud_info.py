#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_info
short_description: Read what a Redis Cloud account has and offers
version_added: 0.1.0
description:
  - Gives subscriptions, databases, access control, plans with their prices, payment methods and recent tasks. Changes nothing.
  - Passwords are not part of the result.
options:
  gather:
    description: What to read.
    type: list
    elements: str
    choices: [subscriptions, databases, plans, acl, payment_methods, tasks]
    default: [subscriptions, databases]
  subscription:
    description: Name of a subscription, to read its databases only, and the plans that it may move to. Every subscription when not given.
    type: str
  pro:
    description: Whether to read Pro subscriptions, with what they cost, and their databases. Those of Essentials when not.
    type: bool
    default: false
  provider:
    description: Provider of the plans to read. Those of all providers when not given.
    type: str
    choices: [AWS, GCP, Azure]
  region:
    description: Region of the plans to read, such as V(us-east-1). Those of all regions when not given.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud
  - opsmap.cloud.wait.unused
  - opsmap.cloud.attributes.info
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: See what is there
  opsmap.cloud.redis_cloud_info:
  register: redis

- name: See what a plan costs near New York
  opsmap.cloud.redis_cloud_info:
    gather: [plans]
    provider: AWS
    region: us-east-1
"""

RETURN = r"""
resource:
  description: What was asked for, by its kind, each as the API gives it. C(acl) holds C(rules), C(roles) and C(users).
  returned: always
  type: dict
  sample:
    subscriptions: [{id: 2206742, name: supercog, status: active, size: 1, sizeMeasurementUnit: GB, price: 22}]
    databases: [{databaseId: 51055029, name: sessions, subscription: supercog, tags: {owner: supercog}, status: active}]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import OPTIONS, RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import scrubbed

KINDS = ["subscriptions", "databases", "plans", "acl", "payment_methods", "tasks"]

SPEC: dict[str, Any] = {
    "argument_spec": {
        "gather": {"type": "list", "elements": "str", "choices": KINDS, "default": ["subscriptions", "databases"]},
        "subscription": {"type": "str"},
        "pro": {"type": "bool", "default": False},
        "provider": {"type": "str", "choices": ["AWS", "GCP", "Azure"]},
        "region": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Read what is asked for."""
    client = RedisCloud(params, context.clock, pro=params["pro"])
    needs_subscriptions = params["subscription"] or {"subscriptions", "databases"} & set(params["gather"])
    subscriptions = client.subscriptions() if needs_subscriptions else []
    if params["subscription"] is not None:
        name = params["subscription"]
        subscriptions = [found for found in subscriptions if found.get("name") == name]
        if not subscriptions:
            raise bad_option("subscription", f"there is no {name!r}", "correct it, or leave it out to see all")
    read = {
        "subscriptions": lambda: priced(client, subscriptions) if params["pro"] else subscriptions,
        "databases": lambda: [found for each in subscriptions for found in databases(client, each)],
        "plans": lambda: plans(client, params, subscriptions),
        "acl": lambda: {key: client.access(kind) for key, kind in ACCESS.items()},
        "payment_methods": client.payment_methods,
        "tasks": client.tasks,
    }
    resource = {kind: read[kind]() for kind in KINDS if kind in params["gather"]}
    return {"changed": False, "resource": scrubbed(resource)}


ACCESS = {"rules": "redisRules", "roles": "roles", "users": "users"}


def priced(client: RedisCloud, subscriptions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pro subscriptions with the lines of their price."""
    return [{**each, "pricing": client.pricing(each["id"])} for each in subscriptions]


def databases(client: RedisCloud, subscription: dict[str, Any]) -> list[dict[str, Any]]:
    """The databases of a subscription with its name and their tags."""
    found = client.databases(subscription["id"])
    about = {"subscription": subscription["name"]}
    return [{**each, **about, "tags": client.tags(subscription["id"], each["databaseId"])} for each in found]


def plans(client: RedisCloud, params: dict[str, Any], subscriptions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The plans that are offered, cheapest first."""
    if params["subscription"] is not None:
        found = [plan for each in subscriptions for plan in client.plans_offered(each["id"])]
    else:
        found = client.all_plans()
    for key in ("provider", "region"):
        found = [plan for plan in found if params[key] in (None, plan.get(key))]
    return sorted(found, key=lambda plan: plan.get("price") or 0)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
