# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machines of an app ran before, as far as the API keeps it."""

from __future__ import annotations

from functools import partial

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import BEFORE, Machine, metadata
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan_previous import Configs
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_stop import side_by_side

AT_ONCE = 8
LONGEST = 20  # machines in a row that took each other's place


def histories(api: MachinesApi, machines: list[Machine]) -> dict[str, Configs]:
    """By machine, its configs, newest first."""
    found = side_by_side([partial(_history, api, machine) for machine in machines], AT_ONCE)
    return {machine["id"]: configs for machine, configs in zip(machines, found, strict=True)}


def _history(api: MachinesApi, machine: Machine) -> Configs:
    """Of a machine, then of the one whose place it took, and so on: the API shows destroyed ones for a while."""
    found: Configs = []
    configs = [version.get("user_config") or {} for version in api.versions(machine["id"])]
    for _dummy in range(LONGEST):
        found += configs
        before = (found[-1].get("metadata") or {}).get(BEFORE) if found else metadata(machine).get(BEFORE)
        configs = [version.get("user_config") or {} for version in api.versions(before)] if before else []
        if not configs:
            break
    return found
