#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_acl_role
short_description: Make, change or remove a role of access to Redis Cloud databases
version_added: 0.1.0
description:
  - A role says which rule holds on which database. Users have one role each.
options:
  name:
    description: Name of the role, unique in the account.
    type: str
    required: true
  rules:
    description: Rules with their databases, as an exact set. Needed to have the role present. A database has one rule in a role.
    type: list
    elements: dict
    suboptions:
      rule:
        description: Name of the rule, built in or made with M(opsmap.cloud.redis_cloud_acl_rule).
        type: str
        required: true
      databases:
        description: Databases as V(subscription/database).
        type: list
        elements: str
        required: true
  state:
    description: Whether the role should be there. One that has users is not removed.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a role, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Let readers into one database
  opsmap.cloud.redis_cloud_acl_role:
    name: readers
    rules:
      - rule: Read-Only
        databases: [supercog/sessions]
"""

RETURN = r"""
resource:
  description: The role as the API gives it, or null when there is none.
  returned: always
  type: dict
  sample:
    id: 1002
    name: readers
    redisRules: [{ruleId: 3, ruleName: Read-Only, databases: [{subscriptionId: 1, databaseId: 5}]}]
    users: []
    status: active
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create role readers]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import OPTIONS, RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_access import (
    Access,
    change,
    removal,
    run_access,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_find import database_ids

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "rule": {"type": "str", "required": True},
                "databases": {"type": "list", "elements": "str", "required": True},
            },
        },
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("rules",))],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not params["name"].strip():
        raise bad_option("name", "is empty", "give the role a name")
    if params["state"] == "absent":
        return
    named = [database for rule in params["rules"] for database in rule["databases"]]
    if not named:
        raise bad_option("rules", "name no database", "give a rule and at least one database as subscription/database")
    for database in named:
        if not all(database.partition("/")):
            raise bad_option("rules", f"{database!r} is no database", "write it as subscription/database")
        if named.count(database) > 1:
            raise bad_option("rules", f"{database} has more than one rule", "a database has one rule in a role")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed role to the desired one. ``ids`` of databases that are not there yet are null."""
    seen = observed or {}
    name, current, ids = params["name"], seen.get("current"), seen.get("ids") or {}
    if params["state"] == "absent":
        users = [f"user {user['name']}" for user in (current or {}).get("users") or []]
        return removal(params, f"role {name}", current, users)
    pairs = sorted((database, rule["rule"]) for rule in params["rules"] for database in rule["databases"])
    rules = [
        {"ruleName": rule, "databases": [ids[database] for database, other in pairs if other == rule if ids[database]]}
        for rule in sorted({rule for _, rule in pairs})
    ]
    after = {"name": name, "rules": dict(pairs)}
    body = {"name": name, "redisRules": rules}
    if current is None:
        result = Plan(after=after)
        result.add("create", f"create role {name}", body=body)
        return result
    labels = {known["databaseId"]: database for database, known in ids.items() if known}
    present = {
        labels.get(database["databaseId"], f"database {database['databaseId']}"): rule["ruleName"]
        for rule in current.get("redisRules") or []
        for database in rule.get("databases") or []
    }
    return change(f"role {name}", {"name": name, "rules": dict(sorted(present.items()))}, after, body)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one role."""
    validate(params)
    client = RedisCloud(params, context.clock)
    families = (client, RedisCloud(params, context.clock, pro=True))
    access = Access(client, "roles", f"role {params['name']}", params, context)

    def beside(current: dict[str, Any] | None) -> dict[str, Any]:
        named = [database for rule in params["rules"] or [] for database in rule["databases"]]
        return (
            {"ids": database_ids(families, named, may_miss=context.check_mode)} if params["state"] == "present" else {}
        )

    return run_access(access, lambda observed: plan(params, observed), beside)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
