#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_acl_user
short_description: Make, change or remove a user of Redis Cloud databases
version_added: 0.1.0
description:
  - A user may log in to the databases of its role, by the rules of it.
  - The service never gives a password back, so it cannot be compared. See O(update_password).
options:
  name:
    description: Name of the user, unique in the account.
    type: str
    required: true
  role:
    description: Name of the role. Needed to have the user present.
    type: str
  password:
    description: Password of 8 to 128 characters. Needed when the user is made.
    type: str
  update_password:
    description: When to set the password. V(always) is a change every time.
    type: str
    choices: [on_create, always]
    default: on_create
  state:
    description: Whether the user should be there.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a user, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make a user that only reads
  opsmap.cloud.redis_cloud_acl_user:
    name: reports
    role: readers
    password: "{{ vault_reports_password }}"
"""

RETURN = r"""
resource:
  description: The user as the API gives it, or null when there is none.
  returned: always
  type: dict
  sample: {id: 1003, name: reports, role: readers, status: active}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create user reports]
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
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import REDACTED, Secret

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "role": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "update_password": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("role",))],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not params["name"].strip() or params["name"] == "default":
        problem = f"{params['name']!r} is no name for a user"
        raise bad_option("name", problem, "give another; the user default is set with redis_cloud_database")
    if params["password"] is not None and not 8 <= len(params["password"]) <= 128:
        raise bad_option("password", "is too short or too long", "give 8 to 128 characters")
    if params["update_password"] == "always" and params["password"] is None and params["state"] == "present":
        raise bad_option("password", "is missing", "update_password always needs it")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed user to the desired one."""
    name, role, current = params["name"], params["role"], (observed or {}).get("current")
    if params["state"] == "absent":
        return removal(params, f"user {name}", current, [])
    after = {"name": name, "role": role}
    if current is None:
        if params["password"] is None:
            raise bad_option("password", "is missing", "a new user needs one")
        result = Plan(after={**after, "password": REDACTED})
        result.add("create", f"create user {name}", body={**after, "password": Secret(params["password"])})
        return result
    before, body = {"name": name, "role": current.get("role")}, {"role": role}
    if params["update_password"] == "always":
        before["password"], after["password"] = "(unknown)", REDACTED
        body["password"] = Secret(params["password"])
    return change(f"user {name}", before, after, body)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one user."""
    validate(params)
    access = Access(RedisCloud(params, context.clock), "users", f"user {params['name']}", params, context)
    return run_access(access, lambda observed: plan(params, observed), lambda current: {})


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
