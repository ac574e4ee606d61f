# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Process groups as the options state them, and the config that their machines should have. Pure: no calls."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import env
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import RECORD, Machine

LAID_OVER = ("env", "checks", "metadata", "guest")  # maps of a group's config that merge with the common ones


@dataclass(frozen=True)
class Group:
    """One process group: machines by region, what they run, the pool of volumes that they mount.

    config: whole, but for what differs by machine: its volume, whom it stands by for, the marks of the release.
    """

    name: str
    count: dict[str, int]
    config: dict[str, Any]
    mount: dict[str, Any] | None = None
    standbys: int = 0

    @property
    def primary(self) -> str:
        """The first region."""
        return next(iter(self.count), "")

    @property
    def services(self) -> list[dict[str, Any]]:
        """Its services."""
        return list(self.config.get("services") or [])


def stated(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The groups in one form, whether the long or the short one was given."""
    if params["groups"]:
        return list(params["groups"])
    short = {key: params[key] for key in ("count", "mount", "standbys")}
    return [{"name": params["process_group"], "config": {}, "files": [], **short}]


def groups_of(params: dict[str, Any]) -> list[Group]:
    """The groups that the options state; they must have passed the validation."""
    found = []
    for group in stated(params):
        count = {region: int(number) for region, number in (group["count"] or {}).items()}
        config = laid_over(params["config"], group["config"] or {})
        config["image"] = params["image"]
        owned = {"FLY_PROCESS_GROUP": group["name"], "PRIMARY_REGION": next(iter(count), "")}
        config["env"] = {**env(config.get("env") or {}), **owned}
        files = wanted_files([*params["files"], *(group["files"] or [])])
        if files:
            config["files"] = [*(config.get("files") or []), *files]
        config["metadata"] = {**(config.get("metadata") or {}), **marks(params, group["name"])}
        found.append(Group(group["name"], count, config, group["mount"] or None, group["standbys"] or 0))
    return found


def marks(params: dict[str, Any], group: str) -> dict[str, str]:
    """Metadata that says whose the machine is; flyctl takes it for its own too."""
    owned = {"fly_platform_version": "v2", "fly_process_group": group, "opsmap_owner": "opsmap"}
    return {**owned, RECORD: params["secrets_record"]} if params["secrets_record"] else owned


def laid_over(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A group's config over the common one: keys replace, some maps merge."""
    merged = {key: {**common[key], **own[key]} for key in LAID_OVER if common.get(key) and own.get(key)}
    return {**common, **own, **merged}


def wanted_files(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files as the API takes them: text becomes base64."""
    found = []
    for file in files:
        entry = {key: value for key, value in file.items() if value is not None and key != "content"}
        if file.get("content") is not None:
            entry["raw_value"] = base64.b64encode(str(file["content"]).encode()).decode()
        found.append(entry)
    return found


def volume_of(machine: Machine | None) -> str:
    """Id of the volume that a machine mounts, or an empty string."""
    config = (machine or {}).get("config") or (machine or {}).get("incomplete_config") or {}
    return str(((config.get("mounts") or [{}])[0] or {}).get("volume") or "")


def for_machine(group: Group, volume: str = "", standing_for: list[str] | None = None) -> dict[str, Any]:
    """The config for one machine: with its volume, and with those whom it stands by for."""
    config = dict(group.config)
    if group.mount:
        config["mounts"] = [{**group.mount, "volume": volume}]
    if standing_for is not None:
        config["standbys"] = sorted(standing_for)
        config["env"] = {**config["env"], "FLY_STANDBY_FOR": ",".join(sorted(standing_for))}
    return config
