# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules and the inventory show of Fly's resources: always the same keys."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_addresses import kind
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import RELEASE, Machine, group, metadata

VOLUME = (
    "id",
    "name",
    "region",
    "zone",
    "state",
    "size_gb",
    "encrypted",
    "fstype",
    "attached_machine_id",
    "snapshot_retention",
    "auto_backup_enabled",
    "created_at",
    "host_status",
    "bytes_used",
    "bytes_total",
)
SNAPSHOT = ("id", "status", "size", "volume_size", "created_at", "retention_days")
MACHINE = ("id", "name", "region", "state", "private_ip", "instance_id", "host_status", "created_at", "updated_at")


def present_volume(app: str, volume: dict[str, Any]) -> dict[str, Any]:
    """One volume; a key that the answer lacks is None."""
    return {"app": app, **{key: volume.get(key) for key in VOLUME}}


def present_snapshot(snapshot: dict[str, Any]) -> dict[str, Any]:
    """One snapshot; sizes are bytes, ``retention_days`` days."""
    return {key: snapshot.get(key) for key in SNAPSHOT}


def present_machine(app: str, machine: Machine) -> dict[str, Any]:
    """One machine, without environment and files: they may hold what is not for everybody."""
    config = machine.get("config") or machine.get("incomplete_config") or {}
    marks = metadata(machine)
    return {
        "app": app,
        **{key: machine.get(key) for key in MACHINE},
        "group": group(machine),
        "image": config.get("image"),
        "release": marks.get(RELEASE),
        "metadata": marks,
    }


def present_addresses(addresses: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Addresses by kind."""
    found: dict[str, list[str]] = {}
    for address in addresses:
        found.setdefault(kind(address), []).append(address["ip"])
    return found
