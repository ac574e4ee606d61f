# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a strategy makes of the updates of a plan, and what it refuses. Pure: no calls."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_groups import Group
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import Machine, group, has_checks, metadata
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan_group import Stock
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan, Step


def with_strategy(
    params: dict[str, Any], groups: list[Group], machines: list[Machine], stock: Stock, result: Plan
) -> None:
    """Add canaries, or turn updates into green machines. ``rolling`` and ``immediate`` take the plan as it is."""
    strategy = params["strategy"]
    updates = [step for step in result.steps if step.do == "update"]
    changing = [each for each in groups if any(step.args["group"] == each.name for step in updates)]
    if strategy not in ("canary", "bluegreen") or not changing:
        return
    for each in changing:
        if each.mount:
            raise _no(strategy, f"group {each.name} mounts volumes, and an extra machine has none")
    by_id = {machine["id"]: machine for machine in machines}
    if strategy == "canary":
        _canaries(changing, stock, result)
    else:
        _allowed([by_id[step.args["machine"]] for step in updates], changing, machines)
        result.steps[:] = [_green(step, by_id, stock) if step in updates else step for step in result.steps]


def _no(strategy: str, reason: str) -> CloudError:
    return refused(f"plan a {strategy} release", reason, "use strategy=rolling")


def _canaries(changing: list[Group], stock: Stock, result: Plan) -> None:
    for each in changing:
        name = f"{stock.app}-{each.name}-canary"
        title = f"try canary machine {name} in {each.primary}"
        result.add("canary", title, name=name, region=each.primary, group=each.name, volume="")


def _allowed(blues: list[Machine], changing: list[Group], machines: list[Machine]) -> None:
    if not any(has_checks(each.config) for each in changing):
        raise _no("bluegreen", "no group has a check, so nothing would tell that the new machines are healthy")
    images = sorted({str((blue.get("config") or {}).get("image")) for blue in blues})
    if len(images) > 1:
        raise _no("bluegreen", f"the machines run several images: {', '.join(images)}")
    names = {each.name for each in changing}
    for machine in machines:
        if group(machine) in names and metadata(machine).get("fly_platform_version") != "v2":
            raise _no("bluegreen", f"machine {machine.get('name')} is detached: it lacks fly_platform_version=v2")


def _green(step: Step, by_id: dict[str, Machine], stock: Stock) -> Step:
    blue = by_id[step.args["machine"]]
    region, old = str(blue.get("region")), str(blue.get("name"))
    name = stock.name(step.args["group"], region)
    args = {**step.args, "name": name, "region": region, "volume": ""}
    return Step("green", f"replace machine {old} by green machine {name}: {step.title.partition(': ')[2]}", args)
