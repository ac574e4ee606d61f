#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_grant
short_description: Give a user its rights in a DigitalOcean PostgreSQL database, and make extensions there
version_added: 0.1.0
description:
  - A user that the API makes may not create tables on PostgreSQL 15 and later; only the database itself can allow it.
  - Connects to the cluster as V(doadmin), with the password that the API tells, and verifies the server's certificate
    against the authority that the API tells. This machine must be a trusted source.
  - Rights on tables are given by their O(owner), since V(doadmin) is no superuser.
  - Nothing is taken away from a user and no extension is removed. Only O(exclusive) takes a right from everyone.
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
  access:
    description:
      - What the user may do in the schema C(public).
      - V(create) is to create tables, which it then owns. V(write) is to read and change the rows of the O(owner)'s tables,
        V(read) is to read them; both also of tables that the owner makes later.
    type: str
    choices: [create, write, read]
    default: create
  owner:
    description: User who owns the tables. Required for O(access=write) and O(access=read).
    type: str
  exclusive:
    description: Whether only users with a right of their own may connect to the database. PostgreSQL lets everyone connect.
    type: bool
    default: false
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

- name: Let a report read the dashboard's tables, and keep other services out
  opsmap.cloud.do_database_grant:
    cluster: supercog
    database: monster_dashboard
    user: report
    access: read
    owner: dashboard
    exclusive: true
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
        "access": {"type": "str", "choices": ["create", "write", "read"], "default": "create"},
        "owner": {"type": "str"},
        "exclusive": {"type": "bool", "default": False},
        "extensions": {"type": "list", "elements": "str", "default": []},
        "hostaddr": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_one_of": CLUSTER_REQUIRED,
    "required_if": [("access", "write", ("owner",)), ("access", "read", ("owner",))],
}
RIGHTS: dict[str, dict[str, tuple[str, ...]]] = {
    "write": {"TABLES": ("SELECT", "INSERT", "UPDATE", "DELETE"), "SEQUENCES": ("USAGE", "SELECT")},
    "read": {"TABLES": ("SELECT",), "SEQUENCES": ()},
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    names = {"database": [params["database"]], "user": [params["user"]], "extensions": params["extensions"]}
    for option, given in {**names, "owner": [params["owner"]] if params["owner"] is not None else []}.items():
        for name in given:
            if not 0 < len(name.encode()) <= 63:
                raise bad_option(option, f"{name!r} is no name in PostgreSQL", "give 1 to 63 bytes")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from what the user may do to what it should."""
    user, database, access = params["user"], params["database"], params["access"]
    current = observed or {"extensions": [], **({"may_create": False} if access == "create" else {"not_shared": None})}
    missing = [name for name in params["extensions"] if name not in current["extensions"]]
    result = Plan(before=dict(current), after={**current, "extensions": sorted([*current["extensions"], *missing])})
    if params["exclusive"] and current.get("everyone_connects", True):
        result.after["everyone_connects"] = False
        result.add("close", f"let only users with a right of their own connect to {database}")
    if params["exclusive"] and not (current.get("may_connect") and not current.get("everyone_connects", True)):
        result.after["may_connect"] = True
        result.add("connect", f"allow {user} to connect to {database}")
    if access == "create" and not current["may_create"]:
        result.after["may_create"] = True
        result.add("grant", f"allow {user} to create tables in {database}")
    if access != "create" and (current["not_shared"] is None or current["not_shared"]):
        result.after["not_shared"] = []
        result.add("share", f"allow {user} to {access} what {params['owner']} has in {database}")
    for name in missing:
        result.add("extend", f"make extension {name} in {database}", name=name)
    return result


def observe(database: Postgres, params: dict[str, Any]) -> dict[str, Any]:
    """What the user may do, as far as it is asked for. ``not_shared`` is None when tables to come are not shared."""
    user, access = params["user"], params["access"]
    seen: dict[str, Any] = {"extensions": database.extensions(params["extensions"])}
    if params["exclusive"]:
        seen |= {"everyone_connects": database.everyone_connects(), "may_connect": database.may_connect(user)}
    if access == "create":
        return {**seen, "may_create": database.may_create(user)}
    owner, rights = params["owner"], RIGHTS[access]
    to_come = database.shares_to_come(owner, user, rights)
    return {**seen, "not_shared": database.not_shared(owner, user, rights) if to_come else None}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one user in one database."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    cluster = home_cluster(client, {**params, "state": "present"}, context)
    name, user, hostaddr = params["database"], params["user"], params["hostaddr"]
    if cluster is None or (context.check_mode and not _there(client, cluster, params)):
        return converge(lambda: None, lambda seen: plan(params, seen), lambda made: None, lambda seen: seen, context)

    def share() -> None:
        if params["exclusive"]:  # the owner shares, so it must be able to come in
            database.let_connect(params["owner"])
        with Postgres(client, cluster, name, hostaddr, params["owner"]) as owned:
            owned.share(user, RIGHTS[params["access"]])

    with Postgres(client, cluster, name, hostaddr) as database:
        handlers = {
            "close": database.close_to_everyone,
            "connect": lambda: database.let_connect(user),
            "grant": lambda: database.let_create(user),
            "share": share,
            "extend": database.make_extension,
        }
        return converge(
            lambda: observe(database, params),
            lambda observed: plan(params, observed),
            lambda made: apply(made, handlers, context),
            lambda observed: observed,
            context,
        )


def _there(client: DigitalOcean, cluster: dict[str, Any], params: dict[str, Any]) -> bool:
    """Whether there is something to connect to; in check mode it may all be missing."""
    users = [params["user"], *([params["owner"]] if params["owner"] else [])]
    if cluster.get("status") != "online" or not all(client.find_user(str(cluster["id"]), user) for user in users):
        return False
    return params["database"] in [item.get("name") for item in client.databases(str(cluster["id"]))]


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
