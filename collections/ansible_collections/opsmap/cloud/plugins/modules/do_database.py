#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database
short_description: Make or remove a database in a DigitalOcean PostgreSQL cluster
version_added: 0.1.0
description:
  - A database has a name and nothing else. Who may do what in it is PostgreSQL's matter.
options:
  cluster:
    description: Name of the cluster.
    type: str
  cluster_uuid:
    description: Uuid of the cluster, instead of its name.
    type: str
  name:
    description: Name of the database.
    type: str
    required: true
  state:
    description: Whether the database should be there. V(defaultdb) cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a database, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make a database
  opsmap.cloud.do_database:
    cluster: supercog
    name: dashboard

- name: Remove it with its data
  opsmap.cloud.do_database:
    cluster: supercog
    name: dashboard
    state: absent
    confirm_destroy: dashboard
"""

RETURN = r"""
resource:
  description: The database as the API gives it, or null when there is none.
  returned: always
  type: dict
  sample: {name: dashboard}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create database dashboard]
"""

from typing import Any

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
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SPEC: dict[str, Any] = {
    "argument_spec": {
        **CLUSTER_OPTIONS,
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_one_of": CLUSTER_REQUIRED,
}
DEFAULT = "defaultdb"


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    name = params["name"]
    if not 0 < len(name.encode()) <= 63:
        raise bad_option("name", f"{name!r} is no database name", "give 1 to 63 bytes")
    if name == DEFAULT and params["state"] == "absent":
        raise refused(f"delete database {name}", "DigitalOcean keeps it in every cluster", "leave it")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed database to the desired one."""
    name = params["name"]
    current = (observed or {}).get("database")
    if params["state"] == "absent":
        result = Plan(before={"name": name} if current else {})
        if current:
            if params["confirm_destroy"] != name:
                raise bad_option("confirm_destroy", f"is not {name!r}", "give the database's name to remove it")
            refuse_pooled(f"delete database {name}", observed, "db", name)
            result.add("delete", f"delete database {name} with all its data")
        return result
    if current:
        return Plan()
    result = Plan(after={"name": name})
    result.add("create", f"create database {name}")
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one database."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    name, patience = params["name"], context.patience(params)
    home = home_cluster(client, params, context)
    cluster = str(home["id"]) if home else ""

    def find() -> dict[str, Any] | None:
        names = client.databases(cluster) if cluster else []
        return next((database for database in names if database.get("name") == name), None)

    def create() -> None:
        def make() -> dict[str, Any]:
            return when_free(f"database {name}", lambda: client.create_database(cluster, name), patience)

        make_once(find, make, params["api_retries"], context.clock)
        wait_for(f"database {name}", find, bool, patience, service="digitalocean")

    def delete() -> None:
        when_free(f"database {name}", lambda: client.delete_database(cluster, name), patience)
        wait_for(f"end of database {name}", find, lambda seen: not seen, patience)

    return converge(
        lambda: {"database": find(), "pools": client.pools(cluster) if cluster and params["state"] == "absent" else []},
        lambda observed: plan(params, observed),
        lambda made: apply(made, {"create": create, "delete": delete}, context),
        lambda observed: observed["database"],
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
