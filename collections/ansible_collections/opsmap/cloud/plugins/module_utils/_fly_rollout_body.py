# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies that a rollout sends: what each step's machine should be. Pure: no calls."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import merged
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_groups import (
    Group,
    for_machine,
    groups_of,
    marks,
    volume_of,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    BEFORE,
    CANARY,
    RELEASE,
    RELEASE_COMMAND,
    TAG,
    VERSION,
    Machine,
    metadata,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan_previous import Configs, earlier_config, target
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_validate import command_words

FIRST_GROUP = "app"  # flyctl's default group: release commands run with its environment
GUEST = {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512}


class Bodies:
    """Configs for one release. ``versions``: earlier configs by machine, for state=previous."""

    def __init__(self, params: dict[str, Any], machines: list[Machine], versions: dict[str, Configs]) -> None:
        self.params = params
        self.groups = {group.name: group for group in groups_of(params)} if params["state"] == "present" else {}
        self.machines = {machine["id"]: machine for machine in machines}
        self.versions = versions
        numbers = [metadata(machine).get(VERSION, "") for machine in machines]
        number = max((int(text) for text in numbers if text.isdigit()), default=0) + 1
        self.marks = {VERSION: str(number)}
        self.release = ""
        if params["state"] == "previous":
            self.release = target(params["release"] or "", machines, versions)
        else:
            self.marks[RELEASE] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())

    def update(self, machine: Machine, group: str, standing_for: list[str] | None = None) -> dict[str, Any]:
        """The config of a machine that stays."""
        if self.params["state"] == "previous":
            found = earlier_config(machine, self.versions.get(machine["id"]) or [], self.release) or machine["config"]
            return self._marked(found)
        desired = for_machine(self.groups[group], volume_of(machine), standing_for)
        return self._marked(merged(machine.get("config") or {}, desired))

    def create(
        self, group: str, volume: str = "", replaces: str = "", standing_for: list[str] | None = None
    ) -> dict[str, Any]:
        """The config of a new machine; one that takes another's place keeps what nobody declares."""
        old = self.machines.get(replaces) or {}
        kept = {**(old.get("config") or {}), "metadata": metadata(old)}
        for key in ("mounts", "standbys"):
            kept.pop(key, None)
        for key in (TAG, CANARY):
            kept["metadata"].pop(key, None)
        config = self._marked(merged(kept, for_machine(self.groups[group], volume, standing_for)))
        if replaces:
            config["metadata"][BEFORE] = replaces
        return config

    def green(self, group: str, replaces: str) -> dict[str, Any]:
        """Like create, tagged as flyctl tags its green machines."""
        config = self.create(group, replaces=replaces)
        config["metadata"][TAG] = str(int(time.time()))
        return config

    def canary(self, group: str) -> dict[str, Any]:
        """A machine beside the others; the private network's names do not lead to it."""
        config = self.create(group)
        config["metadata"][CANARY] = "true"
        return {**config, "dns": {**(config.get("dns") or {}), "skip_registration": True}}

    def release_command(self) -> dict[str, Any]:
        """One run of the command in the new image, without volume, services and checks."""
        stated, group = self.params["release_command"], self.first
        words = command_words(stated["command"])
        kept = ("image", "files", "stop_config", "env")
        config = {key: group.config[key] for key in kept if key in group.config}
        config["env"] = {**config["env"], "FLY_PROCESS_GROUP": RELEASE_COMMAND, "RELEASE_COMMAND": "1"}
        swap = {k: v for k, v in (group.config.get("init") or {}).items() if k in ("entrypoint", "swap_size_mb")}
        return {
            **config,
            "init": {**swap, "cmd": words},
            "guest": stated["guest"] or self._largest(group),
            "restart": {"policy": "no"},
            "auto_destroy": True,
            "dns": {"skip_registration": True},
            "metadata": {**marks(self.params, RELEASE_COMMAND), **self.marks},
        }

    @property
    def first(self) -> Group:
        """The group whose environment, region and size a release command has."""
        return self.groups.get(FIRST_GROUP) or next(iter(self.groups.values()))

    def _largest(self, group: Group) -> dict[str, Any]:
        mine = [m for m in self.machines.values() if metadata(m).get("fly_process_group") == group.name]
        guests = [(m.get("config") or {}).get("guest") or {} for m in mine]
        guests.append(group.config.get("guest") or {})
        found = max(guests, key=lambda guest: int(guest.get("memory_mb") or 0))
        return dict(found) if found.get("memory_mb") else dict(GUEST)

    def _marked(self, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "metadata": {**(config.get("metadata") or {}), **self.marks}}
