# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from the machines that are there to those that should be. Pure: no calls."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_groups import Group, groups_of, stated
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import Machine, group, leftover, metadata
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan_group import GroupPlan, Stock, shown_volume
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan_strategy import with_strategy
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_validate import RESERVED, command_words
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan, Step

# What is made comes first, what is destroyed last: until then everything can be taken back.
ORDER = ("release_command", "canary", "create", "replace", "green", "update", "stand", "start", "uncordon", "destroy")
RELEASING = frozenset({"create", "replace", "green", "update", "stand"})


def own(params: dict[str, Any], machines: list[Machine]) -> list[Machine]:
    """Machines of the groups that the options name, in a fixed order. Earlier releases come back to all groups."""
    names = {given["name"] for given in stated(params)}
    everything = params["state"] == "previous" or params["purge_groups"]
    mine = [m for m in machines if group(m) in names or (everything and managed(m))]
    return sorted(mine, key=lambda m: str(m.get("name")))


def managed(machine: Machine) -> bool:
    """Whether it was made by a deploy, ours or flyctl's; not one of flyctl's helpers."""
    kept = metadata(machine)
    return (kept.get("fly_platform_version") == "v2" or "opsmap_owner" in kept) and group(machine) not in RESERVED


def plan_present(params: dict[str, Any], observed: dict[str, Any]) -> Plan:
    """Create what is missing, change or replace what differs, start what rests, destroy what is too many."""
    machines = observed.get("machines") or []
    result, groups = Plan(), groups_of(params)
    stock = Stock(params, machines, observed.get("volumes") or [])
    for each in groups:
        mine = [m for m in own({**params, "purge_groups": False}, machines) if group(m) == each.name]
        GroupPlan(each, mine, stock, result).make()
    if params["purge_groups"]:
        _purge(groups, machines, stock, result)
    with_strategy(params, groups, machines, stock, result)
    if params["release_command"] and any(step.do in RELEASING for step in result.steps):
        words = shlex.join(command_words(params["release_command"]["command"]))
        result.steps.append(Step("release_command", f"run release command: {words}"))
    result.steps.sort(key=lambda step: ORDER.index(step.do))
    _tell_what_stays(machines, stock, result)
    return result


def _purge(groups: list[Group], machines: list[Machine], stock: Stock, result: Plan) -> None:
    names = {each.name for each in groups}
    for machine in machines:
        if managed(machine) and group(machine) not in names:
            destroy(machine, f"group {group(machine)} is not wanted", stock, result)


def destroy(machine: Machine, reason: str, stock: Stock, result: Plan) -> None:
    """Add the step that destroys a machine; its volume stays."""
    GroupPlan(Group(group(machine), {}, {}), [], stock, result).destroy(machine, reason)


def _tell_what_stays(machines: list[Machine], stock: Stock, result: Plan) -> None:
    """Volumes outlive their machines: list those that nobody will use."""
    going = {step.args["machine"] for step in result.steps if step.do in ("destroy", "replace")}
    volumes = [stock.volume_of(machine) for machine in machines if machine["id"] in going]
    stay = [shown_volume(volume, stock) for volume in volumes if volume]
    if stay:
        result.warnings.append(f"these volumes stay, without a machine: {', '.join(stay)}")


def plan_simple(params: dict[str, Any], observed: dict[str, Any]) -> Plan:
    """``absent`` and ``restarted``: one step for each machine of the groups."""
    machines = observed.get("machines") or []
    mine, result = own(params, machines), Plan()
    stock = Stock(params, machines, observed.get("volumes") or [])
    if params["state"] == "absent":
        if mine and params["confirm_destroy"] != params["app"]:
            raise bad_option(
                "confirm_destroy", f"is not {params['app']!r}", "give the app's name to destroy its machines"
            )
        for machine in mine:
            destroy(machine, "", stock, result)
        _tell_what_stays(machines, stock, result)
        return result
    for machine in mine:
        if machine.get("state") != "started" or leftover(machine):
            continue
        result.before[machine["name"]] = {"state": machine.get("state")}
        result.add("restart", f"restart machine {machine['name']}", machine=machine["id"])
    return result
