#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_machines
short_description: Release the machines of an app on Fly.io
version_added: 0.1.0
description:
  - Converges number, image and config of the machines of one or several process groups. Machines of C(fly deploy) are adopted as they are.
  - Every machine must start, stay up and pass its checks before the next one is touched. When one does not, or the run is interrupted
    (SIGINT, SIGTERM), every machine of every group gets its previous config and state back, so that an app never ends with two versions.
  - Names are deterministic (C(app-group-region-number)), so a rerun after a lost answer makes no second machine.
  - A difference that no update can make (region, mount added, removed or of another pool, dedication of the host, C(auto_destroy),
    a host that does not answer) is planned as a replacement. The new machine comes first, the old one goes when all have passed.
  - Volumes are never deleted.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  process_group:
    description: Process group of the machines, when there is one.
    type: str
    default: app
  count:
    description:
      - Number of machines by region. The first region is the primary one. A region that is not listed has none.
      - Needed for O(state=present), here or in O(groups).
    type: dict
    default: {}
  mount:
    description:
      - Volume pool and path, C({volume, path}) and the auto-extend fields of the API.
      - Each machine gets a free volume of the pool in its region.
      - Machines with a volume are replaced when it is not given; see O(confirm_replace).
    type: dict
  standbys:
    description: Machines that rest in the primary region until one of the group's others fails. Only for groups without services.
    type: int
    default: 0
  groups:
    description:
      - Several process groups in one release. Takes the place of O(process_group), O(count), O(mount) and O(standbys).
      - Other groups of the app stay as they are, see O(purge_groups).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group; lower-case letters, digits, dashes and underscores.
        type: str
        required: true
      count:
        description: Number of machines by region, as in O(count).
        type: dict
        default: {}
      config:
        description: Laid over the common O(config). Its keys replace; C(env), C(checks), C(metadata) and C(guest) merge.
        type: dict
        default: {}
      files:
        description: Files beside the common O(files), in the same form.
        type: list
        elements: dict
        default: []
        suboptions: &file
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
        description: Volume pool and path, as in O(mount).
        type: dict
      standbys:
        description: Number of standby machines, as in O(standbys).
        type: int
        default: 0
  purge_groups:
    description: Destroy the machines of process groups that are not named. Their volumes stay.
    type: bool
    default: false
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
    suboptions: *file
  strategy:
    description:
      - V(rolling) passes the gates machine by machine. V(canary) tries one more machine in each group before that.
      - V(bluegreen) makes a new machine for each old one, and the old ones go when all new ones are healthy; it needs at least one check.
      - V(immediate) updates all at once, so the app may be away for a moment, and then waits for all of them. What fails is taken back as
        with the others.
      - V(canary) and V(bluegreen) are not for groups with volumes. Returns and restarts go as V(rolling) does, unless V(immediate).
    type: str
    choices: [rolling, canary, bluegreen, immediate]
    default: rolling
  max_unavailable:
    description: Machines of a group that may be down at once; below 1 it is a share, rounded up. The first machine always goes alone.
    type: float
    default: 0.33
  release_command:
    description:
      - A command that runs once in a machine of its own, in the new image, before anything else is changed.
      - It runs when machines are made or updated. It may run again after a failure and must bear that.
      - An exit code other than 0 ends the release with nothing changed. What it prints is in the app's logs only.
    type: dict
    suboptions:
      command:
        description: The command, as a list of words or as text that is split like a shell does. The image's entrypoint still applies.
        type: raw
        required: true
      guest:
        description: Size of its machine; by default that of the largest one of group C(app).
        type: dict
      timeout:
        description: Seconds that it may take; 0 sets no limit.
        type: int
        default: 300
  smoke_seconds:
    description: Seconds that a machine must stay up.
    type: float
    default: 10.0
  drain_seconds:
    description: Seconds between the steps that take a machine out of service; requests that are under way end in them.
    type: float
    default: 10.0
  secrets_record:
    description: Record of M(opsmap.cloud.fly_secrets), kept in the machines' metadata.
    type: str
  secrets_version:
    description: Version of the secrets that the machines must have at least.
    type: int
  lease_ttl:
    description: Seconds that a lease lasts unless it is prolonged, at least 5.
    type: int
    default: 30
  state:
    description:
      - V(present) releases. V(absent) destroys the machines of the groups; volumes stay.
      - V(restarted) restarts them one after the other.
      - V(previous) puts all groups of the app back to the release before the current one, or to O(release). Secrets do not go back.
    type: str
    choices: [present, absent, restarted, previous]
    default: present
  release:
    description: With O(state=previous), the id of the release to return to, such as C(20261124T101500Z). Empty for the one before.
    type: str
    default: ""
  confirm_destroy:
    description: To destroy the machines with O(state=absent), the app's name.
    type: str
  confirm_replace:
    description: To replace a machine that has a volume, the app's name. The volume stays, the new machine gets another one of the pool.
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

- name: Release two groups together, after the migrations
  opsmap.cloud.fly_machines:
    app: hello
    image: registry.fly.io/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    release_command: {command: python -m hello.migrate}
    groups:
      - name: web
        count: {ewr: 3, ams: 2}
        config: {services: [{protocol: tcp, internal_port: 8080, ports: [{port: 443, handlers: [tls, http]}]}]}
      - name: worker
        count: {ewr: 1}
        standbys: 1
        config: {init: {cmd: [python, -m, hello.worker]}}

- name: Put the previous release back
  opsmap.cloud.fly_machines:
    app: hello
    state: previous
"""

RETURN = r"""
resource:
  description: The machines of the groups, and the newest release among them.
  returned: always
  type: dict
  sample:
    release: 20261124T101500Z
    machines:
      - {id: 3d8d9014a3d789, name: hello-app-ewr-1, group: app, region: ewr, state: started, private_ip: "fdaa::1",
         instance_id: 01JD0Z4VQ0000000000000000, release: 20261124T101500Z}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["update machine hello-app-ewr-1: image"]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_history import histories
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import RELEASE, group, metadata
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan import own, plan_present, plan_simple
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan_previous import plan_previous
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout import CHANGED, Rollout
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_validate import validate
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, converge

FILE: dict[str, Any] = {
    "guest_path": {"type": "str", "required": True},
    "content": {"type": "str"},
    "raw_value": {"type": "str"},
    "secret_name": {"type": "str", "no_log": False},
    "mode": {"type": "int"},
}
FILES: dict[str, Any] = {"type": "list", "elements": "dict", "default": [], "options": FILE}
GROUP: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "count": {"type": "dict", "default": {}},
    "config": {"type": "dict", "default": {}},
    "files": FILES,
    "mount": {"type": "dict"},
    "standbys": {"type": "int", "default": 0},
}
RELEASE_COMMAND: dict[str, Any] = {
    "command": {"type": "raw", "required": True},
    "guest": {"type": "dict"},
    "timeout": {"type": "int", "default": 300},
}
STRATEGIES = ["rolling", "canary", "bluegreen", "immediate"]
SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "process_group": {"type": "str", "default": "app"},
        **{key: GROUP[key] for key in ("count", "mount", "standbys")},
        "groups": {"type": "list", "elements": "dict", "default": [], "options": GROUP},
        "purge_groups": {"type": "bool", "default": False},
        "image": {"type": "str"},
        "config": {"type": "dict", "default": {}},
        "files": FILES,
        "strategy": {"type": "str", "choices": STRATEGIES, "default": "rolling"},
        "max_unavailable": {"type": "float", "default": 0.33},
        "release_command": {"type": "dict", "options": RELEASE_COMMAND},
        "smoke_seconds": {"type": "float", "default": 10.0},
        "drain_seconds": {"type": "float", "default": 10.0},
        "secrets_record": {"type": "str", "no_log": False},
        "secrets_version": {"type": "int", "no_log": False},
        "lease_ttl": {"type": "int", "default": 30},
        "state": {"type": "str", "choices": ["present", "absent", "restarted", "previous"], "default": "present"},
        "release": {"type": "str", "default": ""},
        "confirm_destroy": {"type": "str"},
        "confirm_replace": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("image",))],
    "mutually_exclusive": [("groups", option) for option in ("count", "mount", "standbys")],
}


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed machines to the wanted ones. ``volumes``: all of the app; ``versions``: configs by machine."""
    seen = observed or {}
    if params["state"] == "present":
        return plan_present(params, seen)
    if params["state"] == "previous":
        return plan_previous(params, own(params, seen.get("machines") or []), seen.get("versions") or {})
    return plan_simple(params, seen)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge the groups. When somebody else changes a machine between plan and lease, look and plan once more."""
    validate(params)
    try:
        return _run(params, context)
    except CloudError as error:
        if error.code != CHANGED:
            raise
        context.report(f"{error.message}: looking again")
        return _run(params, context)


def _run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    api = MachinesApi(Fly(params, context.clock), params["app"])
    seen: dict[str, Any] = {}

    def observe() -> dict[str, Any]:
        machines = api.all()
        seen.update(machines=machines)
        if "volumes" not in seen:
            mounting = [params["mount"], *(given["mount"] for given in params["groups"])]
            wanted = params["state"] in ("present", "absent") and (any(mounting) or any(map(_mounts, machines)))
            seen["volumes"] = api.client.volumes(params["app"]) if wanted else []
        if params["state"] == "previous" and "versions" not in seen:
            seen["versions"] = histories(api, own(params, machines))
        return dict(seen)

    planned_on: dict[str, Any] = {}

    def make(observed: dict[str, Any]) -> Plan:
        planned_on.update(observed)
        return plan(params, observed)

    def carry_out(made: Plan) -> None:
        rollout = Rollout(params, context, planned_on)
        if params["state"] == "restarted":
            rollout.restart(made)
        else:
            rollout.carry_out(made)

    return converge(observe, make, carry_out, lambda observed: present(own(params, observed["machines"])), context)


def _mounts(machine: dict[str, Any]) -> bool:
    return bool((machine.get("config") or {}).get("mounts")) or not machine.get("config")


def present(machines: list[dict[str, Any]]) -> dict[str, Any]:
    """The result's ``resource``."""
    keys = ("id", "name", "region", "state", "private_ip", "instance_id")
    shown = [{**{k: m.get(k) for k in keys}, "group": group(m), "release": metadata(m).get(RELEASE)} for m in machines]
    return {"machines": shown, "release": max((m["release"] or "" for m in shown), default="") or None}


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
