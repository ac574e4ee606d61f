#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_cluster
short_description: Make, change or remove a DigitalOcean PostgreSQL cluster
version_added: 0.1.0
description:
  - Region, version, size and number of nodes are checked against what DigitalOcean offers before anything is made.
  - Changes are made one after the other, each awaited until the field has its value and the cluster is online.
  - What cannot be done (smaller nodes, less storage, an older version, another network) is refused in the plan.
  - Only options that are given are compared. The result holds no passwords; use the lookup
    P(opsmap.cloud.postgres_url#lookup) where a URL is needed.
options:
  name:
    description: Name of the cluster. It and O(engine) identify it; see O(cluster_uuid) when names repeat.
    type: str
    required: true
  cluster_uuid:
    description: Uuid of the cluster, when several have the name.
    type: str
  engine:
    description: Database engine.
    type: str
    choices: [pg]
    default: pg
  region:
    description: Region, such as V(nyc3). Required to have the cluster present. Another one moves the data.
    type: str
  version:
    description: Major version. DigitalOcean's default when not given. A newer one upgrades.
    type: str
  size:
    description: Size of a node, such as V(db-s-1vcpu-1gb). Required to have the cluster present.
    type: str
  num_nodes:
    description: Number of nodes; 2 or 3 are a primary with standbys.
    type: int
    default: 1
  storage_size_mib:
    description: Storage in MiB. Only grows. What has grown by autoscaling is left alone.
    type: int
  tags:
    description: Tags as an exact set, without regard to case.
    type: list
    elements: str
  private_network_uuid:
    description: VPC of the cluster, fixed when it is made. The region's default when not given.
    type: str
  project_id:
    description: Project of the cluster. The default project when not given.
    type: str
  maintenance_window:
    description: When DigitalOcean may maintain the cluster.
    type: dict
    suboptions:
      day:
        description: Day of the week.
        type: str
        required: true
        choices: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]
      hour:
        description: Hour in UTC, such as V(04:00).
        type: str
        required: true
  state:
    description: Whether the cluster should be there. Removing it removes its backups too.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a cluster, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make a cluster of one small node
  opsmap.cloud.do_database_cluster:
    name: supercog
    region: nyc3
    version: "16"
    size: db-s-1vcpu-1gb
    maintenance_window:
      day: sunday
      hour: "04:00"

- name: Remove it with all databases and backups
  opsmap.cloud.do_database_cluster:
    name: supercog
    state: absent
    confirm_destroy: supercog
"""

RETURN = r"""
resource:
  description: The cluster as the API gives it, without passwords, or null when there is none.
  returned: always
  type: dict
  sample: {id: 9cc10173-e9ea-4176-9dbc-a4cee4c4ff30, name: supercog, engine: pg, status: online}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create cluster supercog]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _digitalocean_cluster as cluster
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_apply import ClusterWriter
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import find_cluster
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import scrubbed

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "cluster_uuid": {"type": "str"},
        "engine": {"type": "str", "choices": ["pg"], "default": "pg"},
        "region": {"type": "str"},
        "version": {"type": "str"},
        "size": {"type": "str"},
        "num_nodes": {"type": "int", "default": 1},
        "storage_size_mib": {"type": "int"},
        "tags": {"type": "list", "elements": "str"},
        "private_network_uuid": {"type": "str"},
        "project_id": {"type": "str"},
        "maintenance_window": {
            "type": "dict",
            "options": {
                "day": {"type": "str", "required": True, "choices": cluster.DAYS},
                "hour": {"type": "str", "required": True},
            },
        },
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("region", "size"))],
}
OFFERED = ("region", "version", "size", "num_nodes")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    cluster.check_options(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed cluster to the desired one."""
    seen = observed or {}
    name, current = params["name"], seen.get("cluster")
    if params["state"] == "absent":
        result = Plan(before={"name": name} if current else {})
        if current:
            named = current.get("name")  # by uuid it may be another
            if params["confirm_destroy"] != named:
                raise bad_option("confirm_destroy", f"is not {named!r}", "give the cluster's name to remove it")
            result.add("delete", f"delete cluster {name} with all databases and backups")
        return result
    if current is None:
        return _creation(params, seen.get("options") or {})
    found = cluster.changes(params, current)
    wanted = {option: params[option] for option in OFFERED if option in found}
    if wanted:
        size = {"size": params["size"]} if "num_nodes" in found else {}
        cluster.check_offer(params, {**wanted, **size}, seen.get("options") or {})
    before = {option: present for option, (present, _target) in found.items()}
    result = Plan({"name": name, **before}, {"name": name, **{option: params[option] for option in found}})
    _steps(params, found, current, result)
    return result


def _creation(params: dict[str, Any], offer: dict[str, Any]) -> Plan:
    name = params["name"]
    cluster.check_offer(params, params, offer)
    body = {option: params[option] for option in cluster.AT_CREATION if params[option] is not None}
    result = Plan(after=dict(body))
    result.add("create", f"create cluster {name}", body=body)
    if params["maintenance_window"]:
        result.after["maintenance_window"] = params["maintenance_window"]
        result.add("maintain", f"set maintenance window of cluster {name}", window=params["maintenance_window"])
    return result


def _steps(params: dict[str, Any], found: dict[str, Any], current: dict[str, Any], result: Plan) -> None:
    """One step for each endpoint, in the order in which they are safe."""
    name = params["name"]
    if "version" in found:
        title = f"upgrade cluster {name} to version {params['version']}"
        result.add("upgrade", title, version=cluster.version_of(params["version"]))
    nodes = {"size": params["size"], "num_nodes": params["num_nodes"]}
    if "size" in found or "num_nodes" in found:
        result.add("resize", f"resize cluster {name} to {nodes['num_nodes']} x {nodes['size']}", body=nodes)
    if "storage_size_mib" in found:  # apart from the other two: together the API may refuse them
        storage = params["storage_size_mib"]
        title = f"grow storage of cluster {name} to {storage} MiB"
        result.add("resize", title, body={**nodes, "storage_size_mib": storage})
    if "region" in found:
        result.add("migrate", f"move cluster {name} to {params['region']}", region=params["region"])
    if "maintenance_window" in found:
        result.add("maintain", f"set maintenance window of cluster {name}", window=params["maintenance_window"])
    if "tags" in found:
        present = {str(tag).casefold(): tag for tag in current.get("tags") or []}
        wanted = {tag.casefold(): tag for tag in params["tags"]}
        adds = [tag for key, tag in wanted.items() if key not in present]
        removes = [tag for key, tag in present.items() if key not in wanted]
        result.add("tag", f"set tags of cluster {name}", adds=adds, removes=removes)
    if "project_id" in found:
        result.add("project", f"move cluster {name} to project {params['project_id']}", project=params["project_id"])


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one cluster."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    writer = ClusterWriter(client, params, context)

    def observe() -> dict[str, Any]:
        found = find_cluster(client, params, context, option="name")
        writer.cluster = found["id"] if found else ""
        present = params["state"] == "present"
        changes = cluster.changes(params, found) if found and present else OFFERED
        asks = present and any(option in changes for option in OFFERED)
        return {"cluster": found, "options": client.options(params["engine"]) if asks else None}

    return converge(
        observe,
        lambda observed: plan(params, observed),
        lambda made: apply(made, writer.handlers(), context),
        lambda observed: scrubbed(observed["cluster"]),
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
