#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_pool
short_description: Make, change or remove a connection pool of a DigitalOcean PostgreSQL cluster
version_added: 0.1.0
description:
  - A pool is a PgBouncer in front of the cluster, reached on a port of its own under the pool's name.
  - All pools share the backend connections of the cluster's size, which are 25 for each GB of memory less 3. More is
    refused in the plan.
  - Read replicas have no pools.
options:
  cluster:
    description: Name of the cluster.
    type: str
  cluster_uuid:
    description: Uuid of the cluster, instead of its name.
    type: str
  name:
    description: Name of the pool, 3 to 60 letters, digits, dots, dashes and underscores.
    type: str
    required: true
  mode:
    description: When a backend connection goes back to the pool.
    type: str
    choices: [session, transaction, statement]
    default: transaction
  size:
    description: How many backend connections the pool has. Required to have it present.
    type: int
  database:
    description: Name of the database. Required to have the pool present.
    type: str
  user:
    description: User that the pool connects as. The user who comes in when not given; then an earlier one is left alone.
    type: str
  state:
    description: Whether the pool should be there. Its clients are disconnected when it goes; no data is lost.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Let many workers share ten connections
  opsmap.cloud.do_database_pool:
    cluster: supercog
    name: engine
    size: 10
    database: monster_engine
    user: engine
"""

RETURN = r"""
resource:
  description: The pool as the API gives it, without passwords, or null when there is none.
  returned: always
  type: dict
  sample: {name: engine, mode: transaction, size: 10, db: monster_engine, user: engine}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create pool engine]
"""

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_cluster import connections
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import (
    CLUSTER_OPTIONS,
    CLUSTER_REQUIRED,
    SERVICE,
    home_cluster,
    when_free,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import scrubbed
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SPEC: dict[str, Any] = {
    "argument_spec": {
        **CLUSTER_OPTIONS,
        "name": {"type": "str", "required": True},
        "mode": {"type": "str", "choices": ["session", "transaction", "statement"], "default": "transaction"},
        "size": {"type": "int"},
        "database": {"type": "str"},
        "user": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_one_of": CLUSTER_REQUIRED,
    "required_if": [("state", "present", ("size", "database"))],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{3,60}", params["name"]):
        hint = "use 3 to 60 letters, digits, dots, dashes and underscores"
        raise bad_option("name", f"{params['name']!r} is no pool name", hint)
    if params["size"] is not None and params["size"] < 1:
        raise bad_option("size", f"is {params['size']}", "give 1 or more")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed pools to the one that should be there. observed: pools, and the cluster's size."""
    seen, name = observed or {}, params["name"]
    pools = {pool["name"]: pool for pool in seen.get("pools") or []}
    current = pools.pop(name, None)
    if params["state"] == "absent":
        result = Plan(before={"name": name} if current else {})
        if current:
            result.add("delete", f"delete pool {name}")
        return result
    wanted = {"mode": params["mode"], "size": params["size"], "db": params["database"]}
    wanted |= {"user": params["user"]} if params["user"] else {}
    found = {key: value for key, value in wanted.items() if (current or {}).get(key) != value}
    if found:
        _check_room(params["size"], sum(int(pool.get("size") or 0) for pool in pools.values()), seen.get("size"))
    if current is None:
        result = Plan(after={"name": name, **wanted})
        result.add("create", f"create pool {name}", body={"name": name, **wanted})
        return result
    result = Plan({"name": name, **{key: current.get(key) for key in found}}, {"name": name, **found})
    if found:
        kept = {"user": current["user"]} if current.get("user") else {}
        changes = ", ".join(f"{key} {value}" for key, value in found.items())
        result.add("update", f"update pool {name}: {changes}", body={**kept, **wanted})
    return result


def _check_room(size: int, others: int, node: str | None) -> None:
    """All pools share what the node allows; nothing is known of a size that has no memory in its name."""
    most = connections(node) if node else None
    if most is not None and size + others > most:
        problem = f"{size} is too much: {node} allows {most} connections, other pools have {others}"
        raise bad_option("size", problem, f"give {max(0, most - others)} at most, shrink others, or grow the cluster")


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one pool."""
    validate(params)
    client, name = DigitalOcean(params, context.clock), params["name"]
    patience = context.patience(params)
    home = home_cluster(client, params, context) or {}
    cluster = str(home.get("id") or "")

    def find() -> dict[str, Any] | None:
        pools = client.pools(cluster) if cluster else []
        return next((pool for pool in pools if pool.get("name") == name), None)

    def create(body: dict[str, Any]) -> None:
        def make() -> dict[str, Any]:
            return when_free(f"pool {name}", lambda: client.create_pool(cluster, body), patience)

        make_once(find, make, params["api_retries"], context.clock)
        wait_for(f"pool {name}", find, bool, patience, service=SERVICE)

    def update(body: dict[str, Any]) -> None:
        when_free(f"pool {name}", lambda: client.update_pool(cluster, name, body), patience)

    def delete() -> None:
        when_free(f"pool {name}", lambda: client.delete_pool(cluster, name), patience)
        wait_for(f"end of pool {name}", find, lambda seen: not seen, patience, service=SERVICE)

    return converge(
        lambda: {"pools": client.pools(cluster) if cluster else [], "size": home.get("size"), "pool": find()},
        lambda observed: plan(params, observed),
        lambda made: apply(made, {"create": create, "update": update, "delete": delete}, context),
        lambda observed: scrubbed(observed["pool"]),
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
