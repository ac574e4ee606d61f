#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_acl_rule
short_description: Make, change or remove a rule of access to Redis Cloud databases
version_added: 0.1.0
description:
  - A rule is a text in Redis' own ACL syntax. A role says on which databases it holds.
  - The built-in rules V(Full-Access), V(Read-Write) and V(Read-Only) can be used in roles, but not changed.
options:
  name:
    description: Name of the rule, unique in the account.
    type: str
    required: true
  rule:
    description:
      - ACL text, such as V(+@read ~cache:*). Needed to have the rule present.
      - Compared word by word; spaces between words do not matter, their order does.
    type: str
  state:
    description: Whether the rule should be there. One that a role uses is not removed.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a rule, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Allow reading what is cached
  opsmap.cloud.redis_cloud_acl_rule:
    name: cache-readers
    rule: +@read ~cache:*
"""

RETURN = r"""
resource:
  description: The rule as the API gives it, or null when there is none.
  returned: always
  type: dict
  sample: {id: 1001, name: cache-readers, acl: "+@read ~cache:*", isDefault: false, status: active}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create rule cache-readers]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import OPTIONS, RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_access import (
    Access,
    change,
    removal,
    run_access,
)

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "rule": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("rule",))],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not params["name"].strip():
        raise bad_option("name", "is empty", "give the rule a name")
    if params["state"] == "present" and not params["rule"].split():
        raise bad_option("rule", "is empty", "give an ACL text, such as +@read ~cache:*")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed rule to the desired one."""
    seen = observed or {}
    name, current = params["name"], seen.get("current")
    built_in = bool(current and current.get("isDefault"))
    if params["state"] == "absent":
        if built_in:
            raise refused(f"delete rule {name}", "it is built in", "choose another name")
        return removal(params, f"rule {name}", current, [f"role {role}" for role in seen.get("roles") or []])
    wanted = " ".join(params["rule"].split())
    body = {"name": name, "redisRule": wanted}
    if current is None:
        result = Plan(after={"name": name, "rule": wanted})
        result.add("create", f"create rule {name}", body=body)
        return result
    present = " ".join(str(current.get("acl") or "").split())
    if built_in and present != wanted:
        raise refused(f"change rule {name}", f"it is built in as {present!r}", "choose another name")
    return change(f"rule {name}", {"name": name, "rule": present}, {"name": name, "rule": wanted}, body)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one rule."""
    validate(params)
    client, name = RedisCloud(params, context.clock), params["name"]

    def beside(current: dict[str, Any] | None) -> dict[str, Any]:
        if params["state"] == "present" or current is None:
            return {}
        roles = client.access("roles")
        return {
            "roles": [
                role["name"]
                for role in roles
                if any(rule.get("ruleName") == name for rule in role.get("redisRules") or [])
            ]
        }

    access = Access(client, "redisRules", f"rule {name}", params, context)
    return run_access(access, lambda observed: plan(params, observed), beside)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
