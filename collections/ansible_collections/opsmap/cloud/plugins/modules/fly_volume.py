#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_volume
short_description: Converge a pool of Fly.io volumes in a region
version_added: 0.1.0
description:
  - Names of volumes are not unique; a name is a pool, one volume for each machine. The pool is converged by its count.
    Volumes that no machine holds count, so they are used before new ones are made.
  - More volumes than wanted are left alone and named in a warning. Sizes only grow.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  name:
    description: Name of the pool; lower-case letters, digits and underscores, 30 at most.
    type: str
    required: true
  region:
    description: Region of the volumes, three lower-case letters. It cannot change.
    type: str
    required: true
  count:
    description: How many volumes there should be at least.
    type: int
    default: 1
  size_gb:
    description:
      - Size of each in GB, 1 to 500. Smaller ones are extended; a larger one is refused, since volumes cannot shrink, unless the
        mount of its machine grows it by itself.
      - When not given, volumes keep their sizes, and a new one gets the largest size of the pool or of its source, or 1.
    type: int
  restart:
    description:
      - Whether to restart the machine that holds an extended volume, where the server says that it must be. Without it a
        warning names the machine.
    type: bool
    default: false
  snapshot_retention:
    description: Days to keep snapshots that are made from now on, 1 to 60. Fly.io's default is 5.
    type: int
  auto_backup_enabled:
    description: Whether Fly.io takes a snapshot each day, which is its default.
    type: bool
  encrypted:
    description: Whether the volumes are encrypted at rest, which is Fly.io's default. It cannot change.
    type: bool
  fstype:
    description: File system. It cannot change. Fly.io's default is V(ext4).
    type: str
    choices: [ext4, raw]
  require_unique_zone:
    description:
      - Whether a new volume must be on other hardware than the others of its pool. When not given, yes if O(count) is above 1.
    type: bool
  guest:
    description: Guest of the machine to come, as in its config. The volume is then made on a host that has room for it.
    type: dict
  image:
    description: Image of the machine to come; a hint as O(guest) is.
    type: str
  snapshot_id:
    description: Snapshot that new volumes are restored from.
    type: str
  snapshot:
    description: V(last) restores new volumes from the newest complete snapshot of O(snapshot_pool), of deleted volumes too.
    type: str
    choices: [last]
  snapshot_pool:
    description: Pool whose last snapshot is meant; O(name) when not given.
    type: str
  source_volume_id:
    description: Volume of the app that new volumes are forks of.
    type: str
  state:
    description:
      - V(absent) takes a snapshot of each volume, waits until it is complete, then deletes the volume, one after the other.
      - A volume that a machine holds is refused.
    type: str
    choices: [present, absent]
    default: present
  volume_id:
    description: With O(state=absent), the one volume of the pool to remove. All of them when not given.
    type: str
  confirm_destroy:
    description: To remove volumes, the pool's name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make room for two machines
  opsmap.cloud.fly_volume:
    app: supercog-agents
    name: storage
    region: ewr
    count: 2
    size_gb: 10
    guest: {cpu_kind: shared, cpus: 1, memory_mb: 1024}

- name: Bring the data of the last snapshot into a pool of its own
  opsmap.cloud.fly_volume:
    app: supercog-agents
    name: restored
    region: ewr
    snapshot: last
    snapshot_pool: storage

- name: Remove a pool that no machine holds
  opsmap.cloud.fly_volume:
    app: supercog-agents
    name: restored
    region: ewr
    state: absent
    confirm_destroy: restored
"""

RETURN = r"""
resource:
  description: The pool. Keys of a volume are those of M(opsmap.cloud.fly_volume_info).
  returned: always
  type: dict
  sample: {name: storage, region: ewr, volumes: [{id: vol_1, size_gb: 10, state: created, attached_machine_id: null}]}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create volume storage in ewr with 10 GB]
"""

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_present import present_volume
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_volume_plan import plan_absent, plan_present
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_volume_pool import Pool
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_volumes import VolumesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, converge

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "region": {"type": "str", "required": True},
        "count": {"type": "int", "default": 1},
        "size_gb": {"type": "int"},
        "restart": {"type": "bool", "default": False},
        "snapshot_retention": {"type": "int"},
        "auto_backup_enabled": {"type": "bool"},
        "encrypted": {"type": "bool"},
        "fstype": {"type": "str", "choices": ["ext4", "raw"]},
        "require_unique_zone": {"type": "bool"},
        "guest": {"type": "dict"},
        "image": {"type": "str"},
        "snapshot_id": {"type": "str"},
        "snapshot": {"type": "str", "choices": ["last"]},
        "snapshot_pool": {"type": "str"},
        "source_volume_id": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "volume_id": {"type": "str"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "mutually_exclusive": [("snapshot_id", "snapshot", "source_volume_id")],
    "required_by": {"snapshot_pool": "snapshot"},
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    for option in ("name", "snapshot_pool"):
        if params[option] is not None and not re.fullmatch(r"[a-z0-9_]{1,30}", params[option]):
            hint = "use lower-case letters, digits and underscores, 30 at most"
            raise bad_option(option, f"{params[option]!r} is no pool name", hint)
    if not re.fullmatch(r"[a-z]{3}", params["region"]):
        raise bad_option("region", f"{params['region']!r} is no region", "give its code, such as ewr")
    for option, low, high in (("size_gb", 1, 500), ("count", 0, 1000), ("snapshot_retention", 1, 60)):
        value = params[option]
        if value is not None and not low <= value <= high:
            raise bad_option(option, f"{value} is out of range", f"use {low} to {high}")
    if params["volume_id"] and params["state"] == "present":
        raise bad_option("volume_id", "is only for state=absent", "leave it out; a pool is converged by its count")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed pool to the wanted one."""
    return (plan_absent if params["state"] == "absent" else plan_present)(params, observed or {})


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one pool."""
    validate(params)
    pool = Pool(VolumesApi(Fly(params, context.clock), params["app"]), params, context)

    def present(observed: dict[str, Any]) -> dict[str, Any]:
        shown = [present_volume(params["app"], volume) for volume in observed["volumes"]]
        return {"name": params["name"], "region": params["region"], "volumes": shown}

    return converge(pool.observe, lambda observed: plan(params, observed), pool.carry_out, present, context)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
