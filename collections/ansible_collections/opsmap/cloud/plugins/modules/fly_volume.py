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
  - More volumes than wanted are left alone. Sizes only grow.
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
    description: Region of the volumes. It cannot change.
    type: str
    required: true
  count:
    description: How many volumes there should be at least.
    type: int
    default: 1
  size_gb:
    description: Size of each in GB, 1 to 500.
    type: int
    default: 1
  snapshot_retention:
    description: Days to keep the daily snapshots, 1 to 60.
    type: int
  encrypted:
    description: Whether new volumes are encrypted.
    type: bool
    default: true
  state:
    description: V(absent) takes a snapshot of each volume, then deletes it. A volume that a machine holds is refused.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove the pool, its name again.
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
"""

RETURN = r"""
resource:
  description: The pool.
  returned: always
  type: dict
  sample: {name: storage, region: ewr, volumes: [{id: vol_1, size_gb: 10, state: created}]}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create volume storage in ewr with 10 GB]
"""

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "region": {"type": "str", "required": True},
        "count": {"type": "int", "default": 1},
        "size_gb": {"type": "int", "default": 1},
        "snapshot_retention": {"type": "int"},
        "encrypted": {"type": "bool", "default": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}
USABLE = ("created", "hydrating")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not re.fullmatch(r"[a-z0-9_]{1,30}", params["name"]):
        hint = "use lower-case letters, digits and underscores, 30 at most"
        raise bad_option("name", f"{params['name']!r} is no pool name", hint)
    for option, low, high in (("size_gb", 1, 500), ("count", 0, 1000), ("snapshot_retention", 1, 60)):
        value = params[option]
        if value is not None and not low <= value <= high:
            raise bad_option(option, f"{value} is out of range", f"use {low} to {high}")


def plan(params: dict[str, Any], observed: list[dict[str, Any]] | None) -> Plan:
    """Steps from the observed pool to the wanted one."""
    pool = sorted(observed or [], key=lambda volume: str(volume["id"]))
    if params["state"] == "absent":
        return _removal(params, pool)
    result = Plan(before={"volumes": {v["id"]: _shown(v) for v in pool}})
    result.after = {"volumes": {v["id"]: _shown(v) for v in pool}}
    size, retention = params["size_gb"], params["snapshot_retention"]
    for volume in pool:
        label = f"volume {volume['id']}"
        if volume["size_gb"] > size:
            reason = f"size_gb is {volume['size_gb']} and cannot shrink to {size}"
            raise refused(f"change {label}", reason, f"set size_gb to {volume['size_gb']} or more")
        if volume["size_gb"] < size:
            result.add("extend", f"extend {label} from {volume['size_gb']} to {size} GB", volume=volume["id"])
            result.after["volumes"][volume["id"]]["size_gb"] = size
        if retention is not None and volume.get("snapshot_retention") != retention:
            result.add("retain", f"keep snapshots of {label} for {retention} days", volume=volume["id"])
            result.after["volumes"][volume["id"]]["snapshot_retention"] = retention
    for number in range(len(pool), params["count"]):
        result.add("create", f"create volume {params['name']} in {params['region']} with {size} GB")
        result.after["volumes"][f"(new {number + 1})"] = {"size_gb": size, "snapshot_retention": retention}
    return result


def _shown(volume: dict[str, Any]) -> dict[str, Any]:
    return {"size_gb": volume["size_gb"], "snapshot_retention": volume.get("snapshot_retention")}


def _removal(params: dict[str, Any], pool: list[dict[str, Any]]) -> Plan:
    result = Plan(before={"volumes": {v["id"]: _shown(v) for v in pool}} if pool else {})
    if pool and params["confirm_destroy"] != params["name"]:
        raise bad_option("confirm_destroy", f"is not {params['name']!r}", "give the pool's name to remove its volumes")
    for volume in pool:
        if volume.get("attached_machine_id"):
            reason = f"machine {volume['attached_machine_id']} holds it"
            raise refused(f"delete volume {volume['id']}", reason, "remove the machine first")
        result.add("delete", f"snapshot, then delete volume {volume['id']}", volume=volume["id"])
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one pool."""
    validate(params)
    client, app = Fly(params, context.clock), params["app"]
    name, region, size = params["name"], params["region"], params["size_gb"]

    def pool() -> list[dict[str, Any]]:
        return [v for v in client.volumes(app) if v["name"] == name and v["region"] == region]

    def create() -> None:
        body = {"name": name, "region": region, "size_gb": size, "encrypted": params["encrypted"]}
        body.update({"require_unique_zone": True} if params["count"] > 1 else {})
        if params["snapshot_retention"] is not None:
            body["snapshot_retention"] = params["snapshot_retention"]
        made = client.create_volume(app, body)["id"]
        wait_for(
            f"volume {made}",
            lambda: next((v for v in pool() if v["id"] == made), {}),
            lambda volume: volume.get("state") in USABLE,
            context.patience(params),
            state=lambda volume: str(volume.get("state", "not visible yet")),
            service="fly",
        )

    def delete(volume: str) -> None:
        client.snapshot_volume(app, volume)
        client.delete_volume(app, volume)

    retention = {"snapshot_retention": params["snapshot_retention"]}
    handlers = {
        "create": create,
        "extend": lambda volume: client.change_volume(app, volume, {"size_gb": size}, extend=True),
        "retain": lambda volume: client.change_volume(app, volume, retention),
        "delete": delete,
    }
    return converge(
        pool,
        lambda observed: plan(params, observed),
        lambda made: apply(made, handlers, context),
        lambda observed: {"name": name, "region": region, "volumes": observed},
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
