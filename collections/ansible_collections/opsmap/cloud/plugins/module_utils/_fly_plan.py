# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Desired machines of a process group, and the steps that lead there. Pure: no calls."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import differences, env
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    ASLEEP,
    RECORD,
    Machine,
    group,
    may_sleep,
    reachable,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan


def wanted_files(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Files as the API takes them: text becomes base64."""
    found = []
    for file in params["files"]:
        entry = {key: value for key, value in file.items() if value is not None and key != "content"}
        if file.get("content") is not None:
            entry["raw_value"] = base64.b64encode(str(file["content"]).encode()).decode()
        found.append(entry)
    return found


def wanted_config(params: dict[str, Any]) -> dict[str, Any]:
    """The config that every machine of the group should have, but for its volume."""
    config = dict(params["config"])
    name = params["process_group"]
    config["image"] = params["image"]
    region = next(iter(params["count"]), "")
    config["env"] = {**env(config.get("env") or {}), "FLY_PROCESS_GROUP": name, "PRIMARY_REGION": region}
    if params["files"]:
        config["files"] = [*(config.get("files") or []), *wanted_files(params)]
    owned = {"fly_platform_version": "v2", "fly_process_group": name, "opsmap_owner": "opsmap"}
    if params["secrets_record"]:
        owned[RECORD] = params["secrets_record"]
    config["metadata"] = {**(config.get("metadata") or {}), **owned}
    return config


def for_machine(params: dict[str, Any], machine: Machine | None) -> dict[str, Any]:
    """The config for one machine: with the volume that it has."""
    config = wanted_config(params)
    mount = params["mount"]
    if mount:
        has = ((machine or {}).get("config") or {}).get("mounts") or [{}]
        config["mounts"] = [{**mount, "volume": has[0].get("volume", "")}]
    return config


def own(params: dict[str, Any], machines: list[Machine]) -> list[Machine]:
    """Machines of the process group, in a fixed order."""
    return sorted((m for m in machines if group(m) == params["process_group"]), key=lambda m: str(m.get("name")))


def free_names(params: dict[str, Any], region: str, machines: list[Machine], count: int) -> list[str]:
    """Names for new machines, the same on every run that finds the same machines."""
    taken = {machine.get("name") for machine in machines}
    numbered = (f"{params['app']}-{params['process_group']}-{region}-{n}" for n in range(1, 10_000))
    names = (name for name in numbered if name not in taken)
    return [next(names) for dummy in range(count)]


def plan_present(params: dict[str, Any], machines: list[Machine]) -> Plan:
    """Create what is missing, change what differs, start what rests, destroy what is too many."""
    result = Plan()
    mine = own(params, machines)
    for region, count in params["count"].items():
        here = [machine for machine in mine if machine.get("region") == region]
        for machine in here[:count]:
            _converge(params, machine, result)
        for name in free_names(params, region, machines, count - len(here)):
            result.after[name] = {"image": params["image"], "region": region}
            result.add("create", f"create machine {name} in {region}", name=name, region=region)
        for machine in here[count:]:
            _destroy(machine, "more than wanted", result)
    for machine in mine:
        if machine.get("region") not in params["count"]:
            _destroy(machine, f"region {machine.get('region')} is not wanted", result)
    order = {"create": 0, "update": 1, "start": 2, "destroy": 3}
    result.steps.sort(key=lambda step: order[step.do])
    return result


def _converge(params: dict[str, Any], machine: Machine, result: Plan) -> None:
    name = str(machine.get("name"))
    if not reachable(machine):
        status = machine.get("host_status")
        result.warnings.append(f"machine {name} is left alone: its host is {status}; destroy it to have it replaced")
        return
    desired, observed = for_machine(params, machine), machine["config"]
    _check_mounts(name, desired, observed)
    found = differences(desired, observed)
    if found:
        result.before[name] = {where: shown(where, was) for where, (was, dummy) in found.items()}
        result.after[name] = {where: shown(where, becomes) for where, (dummy, becomes) in found.items()}
        what = ", ".join(sorted({where.split(".")[0].split("[")[0] for where in found}))
        result.add("update", f"update machine {name}: {what}", machine=machine["id"])
    elif machine.get("state") in {*ASLEEP, "failed"} and not may_sleep(observed):
        result.before[name], result.after[name] = {"state": machine.get("state")}, {"state": "started"}
        result.add("start", f"start machine {name}", machine=machine["id"])


def _check_mounts(name: str, desired: dict[str, Any], observed: dict[str, Any]) -> None:
    wants, has = bool(desired.get("mounts")), bool(observed.get("mounts"))
    if wants != has and (wants or "mounts" in desired):
        reason = f"machine {name} has {'a' if has else 'no'} volume, and that is fixed when a machine is made"
        raise refused("plan machines", reason, "remove the machines first (state=absent), or leave the mount as it is")


def shown(where: str, value: Any) -> Any:
    """A value for the diff. Text files are shown as text; what is no text only by its length."""
    if where.endswith("raw_value") and isinstance(value, str):
        try:
            return base64.b64decode(value).decode()
        except ValueError:
            return f"(binary, {len(value)} characters of base64)"
    if isinstance(value, dict):
        return {key: shown(key, item) for key, item in value.items()}
    return [shown(where, item) for item in value] if isinstance(value, list) else value


def _destroy(machine: Machine, reason: str, result: Plan) -> None:
    name = str(machine.get("name"))
    result.before[name] = {"region": machine.get("region"), "state": machine.get("state")}
    result.add("destroy", f"destroy machine {name} ({reason}); its volume stays", machine=machine["id"])
