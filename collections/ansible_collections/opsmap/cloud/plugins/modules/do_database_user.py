#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_user
short_description: Make or remove a user of a DigitalOcean PostgreSQL cluster
version_added: 0.1.0
description:
  - The server makes the password; nobody can choose one. It is not part of the result, use the lookup
    P(opsmap.cloud.postgres_url#lookup) where a URL is needed.
  - On PostgreSQL 15 and later such a user may not create tables until it is granted inside the database.
options:
  cluster:
    description: Name of the cluster.
    type: str
  cluster_uuid:
    description: Uuid of the cluster, instead of its name.
    type: str
  name:
    description: Name of the user.
    type: str
    required: true
  pg_allow_replication:
    description: Whether the user may replicate. Not compared where the API does not tell.
    type: bool
  reset_password:
    description: Give an existing user a new password. An action; it changes something at every run.
    type: bool
    default: false
  state:
    description: Whether the user should be there. V(doadmin) cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a user, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make a user
  opsmap.cloud.do_database_user:
    cluster: supercog
    name: dashboard

- name: Give it a new password
  opsmap.cloud.do_database_user:
    cluster: supercog
    name: dashboard
    reset_password: true
"""

RETURN = r"""
resource:
  description: The user as the API gives it, without the password, or null when there is none.
  returned: always
  type: dict
  sample: {name: dashboard, role: normal}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create user dashboard]
"""

from collections.abc import Callable
from typing import Any, TypeVar

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import (
    CLUSTER_OPTIONS,
    CLUSTER_REQUIRED,
    home_cluster,
    refuse_pooled,
    when_free,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import scrubbed
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SPEC: dict[str, Any] = {
    "argument_spec": {
        **CLUSTER_OPTIONS,
        "name": {"type": "str", "required": True},
        "pg_allow_replication": {"type": "bool"},
        "reset_password": {"type": "bool", "default": False, "no_log": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_one_of": CLUSTER_REQUIRED,
}
DEFAULT = "doadmin"
T = TypeVar("T")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    name = params["name"]
    if not 0 < len(name.encode()) <= 63:
        raise bad_option("name", f"{name!r} is no user name", "give 1 to 63 bytes")
    if name == DEFAULT and params["state"] == "absent":
        raise refused(f"delete user {name}", "DigitalOcean keeps it in every cluster", "leave it")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed user to the desired one."""
    name = params["name"]
    current = (observed or {}).get("user")
    if params["state"] == "absent":
        result = Plan(before={"name": name} if current else {})
        if current:
            if params["confirm_destroy"] != name:
                raise bad_option("confirm_destroy", f"is not {name!r}", "give the user's name to remove it")
            refuse_pooled(f"delete user {name}", observed, "user", name)
            result.add("delete", f"delete user {name}")
        return result
    replication = params["pg_allow_replication"]
    settings = {} if replication is None else {"pg_allow_replication": replication}
    if not current:
        result = Plan(after={"name": name, **settings})
        result.add("create", f"create user {name}", body={"name": name, **({"settings": settings} if settings else {})})
        return result
    result = Plan({"name": name}, {"name": name})
    told = (current.get("settings") or {}).get("pg_allow_replication")
    if replication is not None and told is not None and told != replication:
        result.before["pg_allow_replication"], result.after["pg_allow_replication"] = told, replication
        result.add("update", f"update user {name}: pg_allow_replication {replication}", settings=settings)
    if params["reset_password"]:
        result.before["password"], result.after["password"] = "(old)", "(new, made by the server)"
        result.add("reset", f"reset password of user {name}")
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one user."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    name = params["name"]
    patience = context.patience(params)
    home = home_cluster(client, params, context)
    cluster = str(home["id"]) if home else ""

    def find() -> dict[str, Any] | None:
        return client.find_user(cluster, name) if cluster else None

    def free(call: Callable[[], T]) -> T:
        return when_free(f"user {name}", call, patience)

    def create(body: dict[str, Any]) -> None:
        make_once(find, lambda: free(lambda: client.create_user(cluster, body)), params["api_retries"], context.clock)
        wait_for(f"user {name}", find, bool, patience, service="digitalocean")  # a fresh one may be missing at first

    def delete() -> None:
        free(lambda: client.delete_user(cluster, name))
        wait_for(f"end of user {name}", find, lambda seen: not seen, patience, service="digitalocean")

    handlers = {
        "create": create,
        "update": lambda settings: free(lambda: client.update_user(cluster, name, settings)),
        "reset": lambda: free(lambda: client.reset_user(cluster, name)),
        "delete": delete,
    }
    return converge(
        lambda: {"user": find(), "pools": client.pools(cluster) if cluster and params["state"] == "absent" else []},
        lambda observed: plan(params, observed),
        lambda made: apply(made, handlers, context),
        lambda observed: scrubbed(observed["user"]),
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
