#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_grant
short_description: Let a user create tables in a DigitalOcean PostgreSQL database, and make extensions there
version_added: 0.1.0
description:
  - A user that the API makes may not create tables on PostgreSQL 15 and later; only the database itself can allow it.
  - Connects to the cluster as V(doadmin), with the password that the API tells. This machine must be a trusted source.
  - Nothing is taken away from a user and no extension is removed.
requirements:
  - psycopg >= 3
options:
  cluster:
    description: Name of the cluster.
    type: str
  cluster_uuid:
    description: Uuid of the cluster, instead of its name.
    type: str
  database:
    description: Name of the database.
    type: str
    required: true
  user:
    description: Name of the user.
    type: str
    required: true
  extensions:
    description: Names of extensions that the database should have.
    type: list
    elements: str
    default: []
  hostaddr:
    description: Address to connect to, when this machine cannot resolve the cluster's name.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Let the engine create its tables and keep vectors
  opsmap.cloud.do_database_grant:
    cluster: supercog
    database: monster_engine
    user: engine
    extensions: [vector]
"""

RETURN = r"""
resource:
  description: What the user may do and which of the extensions are there, or null when there is no such database.
  returned: always
  type: dict
  sample: {may_create: true, extensions: [vector]}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [allow engine to create tables in monster_engine]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import (
    CLUSTER_OPTIONS,
    CLUSTER_REQUIRED,
    home_cluster,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._postgres import Postgres

SPEC: dict[str, Any] = {
    "argument_spec": {
        **CLUSTER_OPTIONS,
        "database": {"type": "str", "required": True},
        "user": {"type": "str", "required": True},
        "extensions": {"type": "list", "elements": "str", "default": []},
        "hostaddr": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_one_of": CLUSTER_REQUIRED,
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    for option, names in {
        "database": [params["database"]],
        "user": [params["user"]],
        "extensions": params["extensions"],
    }.items():
        for name in names:
            if not 0 < len(name.encode()) <= 63:
                raise bad_option(option, f"{name!r} is no name in PostgreSQL", "give 1 to 63 bytes")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from what the user may do to what it should."""
    current = observed or {"may_create": False, "extensions": []}
    missing = [name for name in params["extensions"] if name not in current["extensions"]]
    wanted = {"may_create": True, "extensions": sorted([*current["extensions"], *missing])}
    result = Plan(before=current, after=wanted)
    if not current["may_create"]:
        result.add("grant", f"allow {params['user']} to create tables in {params['database']}")
    for name in missing:
        result.add("extend", f"make extension {name} in {params['database']}", name=name)
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one user in one database."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    cluster = home_cluster(client, {**params, "state": "present"}, context)
    user, wanted = params["user"], params["extensions"]
    if cluster is None or (context.check_mode and not _there(client, cluster, params)):
        return converge(lambda: None, lambda seen: plan(params, seen), lambda made: None, lambda seen: seen, context)
    with Postgres(client, cluster, params["database"], params["hostaddr"]) as database:
        handlers = {"grant": lambda: database.let_create(user), "extend": database.make_extension}
        return converge(
            lambda: {"may_create": database.may_create(user), "extensions": database.extensions(wanted)},
            lambda observed: plan(params, observed),
            lambda made: apply(made, handlers, context),
            lambda observed: observed,
            context,
        )


def _there(client: DigitalOcean, cluster: dict[str, Any], params: dict[str, Any]) -> bool:
    """Whether there is something to connect to; in check mode it may all be missing."""
    if cluster.get("status") != "online" or not client.find_user(str(cluster["id"]), params["user"]):
        return False
    return params["database"] in [item.get("name") for item in client.databases(str(cluster["id"]))]


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
