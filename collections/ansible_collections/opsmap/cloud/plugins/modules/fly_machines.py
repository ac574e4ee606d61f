#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_machines
short_description: Release the machines of a process group on Fly.io
version_added: 0.1.0
description:
  - Converges number, image and config of the machines. Machines of C(fly deploy) are adopted as they are.
  - Every machine must start, stay up and pass its checks before the next one is touched. When one does not, every machine
    gets its previous config back, so that an app never ends with two versions.
  - Names are deterministic (C(app-group-region-number)), so a rerun after a lost answer makes no second machine.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  process_group:
    description: Process group of the machines.
    type: str
    default: app
  count:
    description: Number of machines by region. The first region is the primary one.
    type: dict
    default: {}
  image:
    description: Image to run, best by digest. Needed for O(state=present).
    type: str
  config:
    description:
      - Machine config in the API's words, such as C(services), C(checks), C(guest), C(restart), C(init) and C(env).
      - C(init), C(env), C(services), C(checks), C(statics), C(metrics), C(files), C(stop_config), C(restart) and C(schedule) belong
        to the caller; what is not given is taken away. Other fields are compared when given and kept otherwise.
    type: dict
    default: {}
  files:
    description: Files to put into the machines.
    type: list
    elements: dict
    default: []
    suboptions:
      guest_path:
        description: Absolute path.
        type: str
        required: true
      content:
        description: Text of the file. It is shown in the diff.
        type: str
      raw_value:
        description: Content in base64.
        type: str
      secret_name:
        description: Name of a secret that holds the content in base64.
        type: str
      mode:
        description: Permissions, as a number.
        type: int
  mount:
    description: Volume pool and path, C({volume, path}) and the auto-extend fields of the API. Each machine gets a volume of its region.
    type: dict
  strategy:
    description: V(rolling) passes the gates machine by machine; V(immediate) updates all at once and waits for nothing.
    type: str
    choices: [rolling, immediate]
    default: rolling
  max_unavailable:
    description: Machines that may be down at once; below 1 it is a share, rounded up. The first machine always goes alone.
    type: float
    default: 0.33
  smoke_seconds:
    description: Seconds that a machine must stay up.
    type: float
    default: 10.0
  secrets_record:
    description: Record of M(opsmap.cloud.fly_secrets), kept in the machines' metadata.
    type: str
  secrets_version:
    description: Version of the secrets that the machines must have at least.
    type: int
  lease_ttl:
    description: Seconds that a lease lasts unless it is prolonged.
    type: int
    default: 30
  state:
    description:
      - V(present) releases. V(absent) destroys the machines of the group; volumes stay.
      - V(restarted) restarts them one after the other. V(previous) puts the release before the current one back.
    type: str
    choices: [present, absent, restarted, previous]
    default: present
  confirm_destroy:
    description: To destroy the machines, the app's name.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Release two machines behind the proxy
  opsmap.cloud.fly_machines:
    app: hello
    count: {ewr: 2}
    image: registry.fly.io/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    config:
      guest: {cpu_kind: shared, cpus: 1, memory_mb: 256}
      services:
        - protocol: tcp
          internal_port: 8080
          ports:
            - {port: 443, handlers: [tls, http]}
          checks:
            - {type: http, port: 8080, path: /health, interval: 15s, timeout: 2s}

- name: Put the previous release back
  opsmap.cloud.fly_machines:
    app: hello
    state: previous
"""

RETURN = r"""
resource:
  description: The machines of the group.
  returned: always
  type: dict
  sample: {machines: [{id: 3d8d9014a3d789, name: hello-app-ewr-1, region: ewr, state: started, release: 20261124T101500Z}]}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["update machine hello-app-ewr-1: image"]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import differences
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import RELEASE, Machine, metadata
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan import for_machine, own, plan_present
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout import Rollout, previous_configs
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, converge

FILE: dict[str, Any] = {
    "guest_path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "raw_value": {"type": "str"},
    "secret_name": {"type": "str"},
    "mode": {"type": "int"},
}
SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "process_group": {"type": "str", "default": "app"},
        "count": {"type": "dict", "default": {}},
        "image": {"type": "str"},
        "config": {"type": "dict", "default": {}},
        "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
        "mount": {"type": "dict"},
        "strategy": {"type": "str", "choices": ["rolling", "immediate"], "default": "rolling"},
        "max_unavailable": {"type": "float", "default": 0.33},
        "smoke_seconds": {"type": "float", "default": 10.0},
        "secrets_record": {"type": "str", "no_log": False},
        "secrets_version": {"type": "int", "no_log": False},
        "lease_ttl": {"type": "int", "default": 30},
        "state": {"type": "str", "choices": ["present", "absent", "restarted", "previous"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("image", "count"))],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if params["state"] == "present" and not params["image"]:
        raise bad_option("image", "is empty", "give a reference such as registry.fly.io/app@sha256:...")
    for region, count in params["count"].items():
        if isinstance(count, bool) or not str(count).isdigit():
            raise bad_option("count", f"{count!r} machines in {region}", "give whole numbers, such as {ewr: 2}")
    params["count"] = {region: int(count) for region, count in params["count"].items()}
    if params["max_unavailable"] <= 0:
        raise bad_option("max_unavailable", f"{params['max_unavailable']} is not above 0", "give a share or a number")
    mount = params["mount"]
    if mount and not (mount.get("volume") and str(mount.get("path", "")).startswith("/")):
        raise bad_option("mount", "has no volume or no absolute path", "give {volume: pool, path: /data}")
    for file in params["files"]:
        if sum(file[key] is not None for key in ("content", "raw_value", "secret_name")) != 1:
            raise bad_option(
                "files", f"{file['guest_path']} has not one source", "give content, raw_value or secret_name"
            )
    for service in params["config"].get("services") or []:
        limits = service.get("concurrency") or {}
        if (limits.get("hard_limit") or 10**9) < (limits.get("soft_limit") or 0):
            raise bad_option("config.services", "hard_limit is below soft_limit", "make hard_limit the larger one")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed machines to the wanted ones. ``previous`` holds earlier configs by machine."""
    machines = (observed or {}).get("machines") or []
    if params["state"] == "present":
        return plan_present(params, machines)
    mine, result = own(params, machines), Plan()
    if params["state"] == "absent" and mine and params["confirm_destroy"] != params["app"]:
        raise bad_option("confirm_destroy", f"is not {params['app']!r}", "give the app's name to destroy its machines")
    if params["state"] == "previous":
        return _previous(mine, (observed or {}).get("previous") or {})
    verb = {"absent": "destroy", "restarted": "restart"}[params["state"]]
    for machine in mine:
        result.before[machine["name"]] = {"state": machine.get("state")}
        result.add(verb, f"{verb} machine {machine['name']}", machine=machine["id"])
    return result


def _previous(machines: list[Machine], earlier: dict[str, dict[str, Any]]) -> Plan:
    result = Plan()
    for machine in machines:
        if machine["id"] not in earlier:
            reason = (
                f"machine {machine['name']} has no release before {metadata(machine).get(RELEASE) or 'the current one'}"
            )
            raise refused("put the previous release back", reason, "release a known good image instead")
        config, name = earlier[machine["id"]], machine["name"]
        release = (config.get("metadata") or {}).get(RELEASE) or "the first"
        result.before[name] = {"release": metadata(machine).get(RELEASE), "image": machine["config"].get("image")}
        result.after[name] = {"release": release, "image": config.get("image")}
        if differences(config, machine["config"]) or release != metadata(machine).get(RELEASE):
            result.add("update", f"update machine {name}: back to release {release}", machine=machine["id"])
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one process group."""
    validate(params)
    api = MachinesApi(Fly(params, context.clock), params["app"])
    seen: dict[str, Any] = {}

    def observe() -> dict[str, Any]:
        seen["machines"] = api.all()
        if params["state"] == "previous" and "previous" not in seen:
            seen["previous"] = previous_configs(api, own(params, seen["machines"]))
        return seen

    def config(machine: Machine | None) -> dict[str, Any]:
        if params["state"] == "previous" and machine:
            return dict(seen["previous"][machine["id"]])
        return for_machine(params, machine)

    def carry_out(made: Plan) -> None:
        rollout = Rollout(api, params, context, config)
        if params["state"] == "restarted":
            rollout.restart([m for m in own(params, seen["machines"]) if m.get("state") == "started"])
        else:
            rollout.carry_out(made, seen["machines"])

    def present(observed: dict[str, Any]) -> dict[str, Any]:
        keys = ("id", "name", "region", "state", "private_ip", "instance_id")
        mine = own(params, observed["machines"])
        return {"machines": [{**{k: m.get(k) for k in keys}, "release": metadata(m).get(RELEASE)} for m in mine]}

    return converge(observe, lambda observed: plan(params, observed), carry_out, present, context)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
