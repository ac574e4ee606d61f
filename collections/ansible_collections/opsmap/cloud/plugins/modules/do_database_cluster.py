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
  - What cannot be done (smaller nodes, less storage, an older version, a name that something else has) is refused in
    the plan with the reason.
  - A cluster takes its backups with it. So it is removed only after a copy of it is online
    (O(fork_before_destroy)), or when O(confirm_last_backup) says when its last backup was made.
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
    description: VPC of the cluster. The region's default when not given. Another one moves the cluster there.
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
  config:
    description:
      - Keys of the PostgreSQL config that should have these values, such as C(work_mem). Others are left alone.
      - C(backup_hour) and C(backup_minute) go together. C(pgbouncer) and C(timescaledb) are dictionaries.
    type: dict
  autoscale:
    description: How the storage grows by itself. Left alone when not given.
    type: dict
    suboptions:
      enabled:
        description: Whether it does.
        type: bool
        required: true
      threshold_percent:
        description: At how many percent of use, 15 to 95. Required when enabled.
        type: int
      increment_gib:
        description: By how many GiB, 10 to 500. Required when enabled.
        type: int
  service_cnames:
    description: Host names of one's own in the servers' certificate, as an exact set of at most 16.
    type: list
    elements: str
  restore_from:
    description:
      - Name of a cluster from whose backup a new one is made. Databases, users and config come along; trusted sources,
        pools and replicas do not. Ignored once the cluster is there.
      - O(size) must be at least that of the source.
    type: str
  restore_backup:
    description: When the backup was made, as the API tells it. The latest when not given.
    type: str
  state:
    description: Whether the cluster should be there. Removing it removes its backups too.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a cluster, its name again.
    type: str
  confirm_last_backup:
    description:
      - To remove a cluster without a copy, when its last backup was made, as the API tells it. The refusal says it.
      - V(none) for a cluster that has no backup.
    type: str
  fork_before_destroy:
    description: Name of a cluster that is made from the last backup, and is online, before the cluster is removed.
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

- name: Make a copy of it as it was at its last backup
  opsmap.cloud.do_database_cluster:
    name: supercog-copy
    region: nyc3
    size: db-s-1vcpu-1gb
    restore_from: supercog

- name: Remove it when a copy is online
  opsmap.cloud.do_database_cluster:
    name: supercog
    state: absent
    confirm_destroy: supercog
    fork_before_destroy: supercog-last
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
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_plan import cluster_plan
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_read import around
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
        "config": {"type": "dict"},
        "autoscale": {
            "type": "dict",
            "options": {
                "enabled": {"type": "bool", "required": True},
                "threshold_percent": {"type": "int"},
                "increment_gib": {"type": "int"},
            },
        },
        "service_cnames": {"type": "list", "elements": "str"},
        "restore_from": {"type": "str"},
        "restore_backup": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        "confirm_last_backup": {"type": "str"},
        "fork_before_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("region", "size"))],
    "required_by": {"restore_backup": "restore_from"},
    "mutually_exclusive": [("confirm_last_backup", "fork_before_destroy")],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    cluster.check_options(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed cluster to the desired one."""
    return cluster_plan(params, observed or {})


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one cluster."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    writer = ClusterWriter(client, params, context)

    def observe() -> dict[str, Any]:
        found = find_cluster(client, params, context, option="name")
        writer.cluster = found["id"] if found else ""
        return {"cluster": found, **around(client, params, found)}

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
