#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_replica
short_description: Make, change, promote or remove a read replica of a DigitalOcean PostgreSQL cluster
version_added: 0.1.0
description:
  - A replica follows its cluster and has a host name of its own. It has the cluster's databases, users and trusted sources.
  - DigitalOcean makes the first replica only after the cluster's first backup; the module waits for that.
  - O(state=promoted) makes it a cluster of its own, under its name. There is no way back.
options:
  cluster:
    description: Name of the cluster that it follows.
    type: str
  cluster_uuid:
    description: Uuid of the cluster, instead of its name.
    type: str
  name:
    description: Name of the replica. No cluster may have it.
    type: str
    required: true
  size:
    description: Size of its node, at least the cluster's. That of the cluster when it is made without. Only grows.
    type: str
  region:
    description: Region, fixed when it is made. That of the cluster when not given.
    type: str
  private_network_uuid:
    description: VPC, fixed when it is made. The region's default when not given.
    type: str
  storage_size_mib:
    description: Storage in MiB. Only grows.
    type: int
  tags:
    description: Tags as an exact set, without regard to case.
    type: list
    elements: str
  state:
    description: Whether it should be there, be a cluster of its own, or be gone.
    type: str
    choices: [present, promoted, absent]
    default: present
  confirm_destroy:
    description: To remove a replica, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Read from a copy near the readers
  opsmap.cloud.do_database_replica:
    cluster: supercog
    name: supercog-ams
    region: ams3

- name: Make it a cluster of its own
  opsmap.cloud.do_database_replica:
    cluster: supercog
    name: supercog-ams
    state: promoted
"""

RETURN = r"""
resource:
  description: The replica, or the cluster that it became, as the API gives it, without passwords; null when there is none.
  returned: always
  type: dict
  sample: {name: supercog-ams, region: ams3, status: online}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create replica supercog-ams of cluster supercog]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _digitalocean_replica as replica
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import (
    CLUSTER_OPTIONS,
    CLUSTER_REQUIRED,
    ENGINE,
    home_cluster,
    pick,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import scrubbed

SPEC: dict[str, Any] = {
    "argument_spec": {
        **CLUSTER_OPTIONS,
        "name": {"type": "str", "required": True},
        "size": {"type": "str"},
        "region": {"type": "str"},
        "private_network_uuid": {"type": "str"},
        "storage_size_mib": {"type": "int"},
        "tags": {"type": "list", "elements": "str"},
        "state": {"type": "str", "choices": ["present", "promoted", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_one_of": CLUSTER_REQUIRED,
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    replica.check_options(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed replica to the desired one."""
    return replica.replica_plan(params, observed or {})


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one replica."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    wanted = "absent" if params["state"] == "absent" else "present"
    home = home_cluster(client, {**params, "state": wanted}, context) or {}
    writer = replica.ReplicaWriter(client, params, context, str(home.get("id") or ""))

    def observe() -> dict[str, Any]:
        found = writer.find()
        own = None if found else pick(client.clusters(), params["name"], ENGINE)
        return {"primary": home, "replica": found, "cluster": own}

    return converge(
        observe,
        lambda observed: plan(params, observed),
        lambda made: apply(made, writer.handlers(), context),
        lambda observed: scrubbed(observed["replica"] or (observed["cluster"] if wanted == "present" else None)),
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
