# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps for one process group. Pure: no calls."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import differences
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_groups import Group, for_machine, volume_of
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    ASLEEP,
    Machine,
    leftover,
    may_sleep,
    reachable,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan

USABLE = ("created", "hydrating", None)


class Stock:
    """What the groups of an app take from: names and volumes. What was taken is not given again."""

    def __init__(self, params: dict[str, Any], machines: list[Machine], volumes: list[dict[str, Any]]) -> None:
        self.app = params["app"]
        self.confirmed = params["confirm_replace"] == params["app"]
        self.bluegreen = params["strategy"] == "bluegreen"
        self.taken = {machine.get("name") for machine in machines}
        self.volumes = {volume["id"]: volume for volume in volumes}
        self.free = [
            volume
            for volume in volumes
            if not volume.get("attached_machine_id")
            and volume.get("state") in USABLE
            and volume.get("host_status", "ok") in ("ok", "", None)
        ]

    def name(self, group: str, region: str) -> str:
        """A free name, the same on every run that finds the same machines."""
        numbered = (f"{self.app}-{group}-{region}-{n}" for n in range(1, 10_000))
        found = next(name for name in numbered if name not in self.taken)
        self.taken.add(found)
        return found

    def volume(self, pool: str, region: str) -> str:
        """Id of a free volume of the pool in the region, or an empty string."""
        found = next((v for v in self.free if v.get("name") == pool and v.get("region") == region), None)
        if found is None:
            return ""
        self.free.remove(found)
        return str(found["id"])

    def elsewhere(self, pool: str) -> list[str]:
        """Regions in which the pool has free volumes."""
        return sorted({str(volume["region"]) for volume in self.free if volume.get("name") == pool})

    def volume_of(self, machine: Machine) -> str:
        """Volume of a machine; the host may not tell, the volume does."""
        attached = (v["id"] for v in self.volumes.values() if v.get("attached_machine_id") == machine["id"])
        return volume_of(machine) or str(next(attached, ""))


class GroupPlan:
    """Plans one group into ``result``."""

    def __init__(self, group: Group, machines: list[Machine], stock: Stock, result: Plan) -> None:
        self.group = group
        self.machines = machines
        self.stock = stock
        self.result = result
        self.kept: list[Machine] = []
        self.moved = False  # whether the ids of the group's machines will be others

    def make(self) -> None:
        """All steps of the group."""
        over = [machine for machine in self.machines if leftover(machine)]
        rest = [machine for machine in self.machines if not leftover(machine)]
        standing = [m for m in rest if (m.get("config") or {}).get("standbys")]
        regular = sorted((m for m in rest if m not in standing), key=_worth)
        surplus, missing = self._by_region(regular)
        for machine in self.kept:
            self._converge(machine)
        while surplus and missing:
            machine, region = surplus.pop(0), missing.pop(0)
            self._replace(machine, region, f"it is in {machine.get('region')}")
        for region in missing:
            self._create(region)
        for machine in surplus:
            wanted = machine.get("region") in self.group.count
            self.destroy(machine, "more than wanted" if wanted else f"region {machine.get('region')} is not wanted")
        for machine in over:
            self.destroy(machine, leftover(machine))
        self._standbys(sorted(standing, key=_worth))

    def _by_region(self, regular: list[Machine]) -> tuple[list[Machine], list[str]]:
        """Those that are too many, and the regions that lack one, once for each that is missing."""
        surplus, missing = [], []
        for region, count in self.group.count.items():
            here = [machine for machine in regular if machine.get("region") == region]
            self.kept += here[:count]
            surplus += here[count:]
            missing += [region] * (count - len(here))
        surplus += [machine for machine in regular if machine.get("region") not in self.group.count]
        return surplus, missing

    def _converge(self, machine: Machine) -> None:
        reason = self._replacement(machine)
        if reason:
            self._replace(machine, str(machine.get("region")), reason)
            return
        name, observed = str(machine.get("name")), machine["config"]
        found = differences(for_machine(self.group, volume_of(machine)), observed, machine.get("image_ref"))
        if found and observed.get("auto_destroy"):
            self._replace(machine, str(machine.get("region")), f"auto_destroy fixes its {parts(found)}")
            return
        if found:
            self._show(name, found)
            self.moved = self.moved or self.stock.bluegreen
            args = {"machine": machine["id"], "group": self.group.name}
            self.result.add("update", f"update machine {name}: {parts(found)}", **args)
        elif machine.get("state") in {*ASLEEP, "failed"} and not may_sleep(observed):
            self.result.before[name], self.result.after[name] = {"state": machine.get("state")}, {"state": "started"}
            self.result.add("start", f"start machine {name}", machine=machine["id"], group=self.group.name)
        if machine.get("cordoned") and self.group.services:
            self.result.before.setdefault(name, {})["cordoned"] = True
            self.result.after.setdefault(name, {})["cordoned"] = False
            self.result.add("uncordon", f"let machine {name} serve again", machine=machine["id"], group=self.group.name)

    def _show(self, name: str, found: dict[str, tuple[Any, Any]]) -> None:
        self.result.before[name] = {where: shown(where, was) for where, (was, dummy) in found.items()}
        self.result.after[name] = {where: shown(where, becomes) for where, (dummy, becomes) in found.items()}

    def _replacement(self, machine: Machine) -> str:
        """Why an update cannot make it what it should be, or an empty string."""
        if not reachable(machine):
            return f"its host is {machine.get('host_status')}"
        config, mount, volume = machine["config"], self.group.mount, volume_of(machine)
        if bool(mount) != bool(volume):
            return "it has no volume" if mount else f"it has volume {volume} and mount is not given"
        pool = (self.stock.volumes.get(volume) or {}).get("name")
        if mount and pool and pool != mount["volume"]:
            return f"its volume {volume} is of pool {pool}"
        wanted = (self.group.config.get("guest") or {}).get("host_dedication_id")
        if wanted and wanted != (config.get("guest") or {}).get("host_dedication_id"):
            return "its host is dedicated otherwise"
        declared = self.group.config.get("auto_destroy")
        return "auto_destroy changes" if declared is not None and declared != bool(config.get("auto_destroy")) else ""

    def _replace(self, machine: Machine, region: str, reason: str) -> None:
        """The new one comes first; the old one goes when everything has passed."""
        self._confirm(machine, reason)
        old, volume, free = str(machine.get("name")), self.stock.volume_of(machine), self._volume(region)
        if volume and self.group.mount and not free and not reachable(machine):
            reason = f"{reason}, its volume {volume} is there too, and pool {self.group.mount['volume']} has no other free in {region}"
            raise refused(f"replace machine {old}", reason, "wait for the host, or make a volume first (fly_volume)")
        name = self.stock.name(self.group.name, region)
        self.result.before[old] = {"region": machine.get("region"), "state": machine.get("state")}
        self.result.after[name] = {"image": self.group.config["image"], "region": region}
        args = {"machine": machine["id"], "name": name, "region": region, "group": self.group.name, "volume": free}
        self.result.add("replace", f"replace machine {old} by {name} in {region}: {reason}", **args)
        self.moved = True

    def _confirm(self, machine: Machine, reason: str) -> None:
        volume = self.stock.volume_of(machine)
        if volume and not self.stock.confirmed:
            behind = f"its volume {shown_volume(volume, self.stock)} stays behind"
            raise bad_option(
                "confirm_replace",
                f"machine {machine.get('name')} must be replaced ({reason}), and {behind}",
                f"give confirm_replace={self.stock.app} to go on without it, or undo what needs a replacement",
            )

    def _create(self, region: str) -> None:
        name, volume = self.stock.name(self.group.name, region), self._volume(region)
        self.result.after[name] = {"image": self.group.config["image"], "region": region}
        args = {"name": name, "region": region, "group": self.group.name, "volume": volume}
        self.result.add("create", f"create machine {name} in {region}", **args)
        self.moved = True

    def _volume(self, region: str) -> str:
        """A free volume where one is mounted. Check mode goes on without one: fly_volume may be about to make it."""
        if not self.group.mount:
            return ""
        pool = self.group.mount["volume"]
        found = self.stock.volume(pool, region)
        if not found:
            others = self.stock.elsewhere(pool)
            where = f" (a volume cannot move; free ones are in {', '.join(others)})" if others else ""
            self.result.warnings.append(f"no free volume of pool {pool} in {region}{where}; {needed(pool, region)}")
        return found

    def _standbys(self, standing: list[Machine]) -> None:
        """Machines that rest until one of the group's others fails."""
        missing = max(0, self.group.standbys - len(standing))
        for machine in standing[: self.group.standbys]:
            reason = self._replacement(machine)
            if reason:
                self._confirm(machine, reason)
                self.destroy(machine, reason)
                missing += 1
            else:
                self._converge_standby(machine)
        for _dummy in range(missing):
            self._stand(self.stock.name(self.group.name, self.group.primary), self.group.primary)
        for machine in standing[self.group.standbys :]:
            self.destroy(machine, "more standbys than wanted")

    def _converge_standby(self, machine: Machine) -> None:
        name, ids = str(machine.get("name")), [str(kept["id"]) for kept in self.kept]
        observed = {**machine["config"], "standbys": sorted(machine["config"]["standbys"])}
        found = differences(for_machine(self.group, volume_of(machine), ids), observed, machine.get("image_ref"))
        if self.moved and not found:
            found = {"standbys": (observed["standbys"], "the machines of the group")}
        if found:
            self._show(name, found)
            args = {"machine": machine["id"], "group": self.group.name}
            self.result.add("stand", f"update standby {name}: {parts(found)}", **args)

    def _stand(self, name: str, region: str) -> None:
        self.result.after[name] = {"image": self.group.config["image"], "region": region, "standby": True}
        args = {"name": name, "region": region, "group": self.group.name, "volume": self._volume(region)}
        self.result.add("stand", f"create standby {name} in {region}", **args)

    def destroy(self, machine: Machine, reason: str) -> None:
        """Destroy one; its volume stays."""
        name, volume = str(machine.get("name")), self.stock.volume_of(machine)
        self.result.before[name] = {"region": machine.get("region"), "state": machine.get("state")}
        why = f" ({reason})" if reason else ""
        stays = f"; volume {shown_volume(volume, self.stock)} stays" if volume else ""
        args = {"machine": machine["id"], "group": self.group.name}
        self.result.add("destroy", f"destroy machine {name}{why}{stays}", **args)


def _worth(machine: Machine) -> tuple[Any, ...]:
    """Order in which machines are kept: those that serve first, then by name."""
    return (
        bool(machine.get("cordoned")),
        not reachable(machine),
        machine.get("state") == "failed",
        str(machine.get("name")),
    )


def needed(pool: str, region: str) -> str:
    """What to do when a volume is missing."""
    return f"make one first: fly_volume with name={pool}, region={region} and a count of all machines there"


def shown_volume(volume: str, stock: Stock) -> str:
    """A volume for people."""
    known = stock.volumes.get(volume)
    return f"{volume} ({known.get('name')}, {known.get('region')})" if known else volume


def parts(found: dict[str, Any]) -> str:
    """The top-level fields that differ."""
    return ", ".join(sorted({where.split(".")[0].split("[")[0] for where in found}))


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
