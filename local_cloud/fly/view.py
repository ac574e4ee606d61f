"""Machines as the API shows them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from local_cloud.fly import leases
from local_cloud.fly.noise import noisy_machine

Machine = dict[str, Any]
REFERENCE = re.compile(
    r"^(?:(?P<registry>[^/]*[.:][^/]*|localhost[^/]*)/)?(?P<repository>[^@:]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?$"
)


def image_ref(image: str) -> dict[str, Any]:
    """The parts of an image reference."""
    found = REFERENCE.match(image)
    parts = found.groupdict() if found else {"registry": None, "repository": image, "tag": None, "digest": None}
    return {
        "registry": parts["registry"] or "registry-1.docker.io",
        "repository": parts["repository"],
        "tag": parts["tag"] or ("" if parts["digest"] else "latest"),
        "digest": parts["digest"] or "",
        "labels": {},
    }


def shown(
    machine: Machine, checks: list[dict[str, Any]], *, noise: Collection[int] = (), with_lease: bool = False
) -> dict[str, Any]:
    """The whole machine. noise: rows of read-back differences."""
    made = {
        "id": machine["id"],
        "name": machine["name"],
        "state": machine["state"],
        "region": machine["region"],
        "instance_id": machine["instance_id"],
        "version": machine["instance_id"],
        "private_ip": machine.get("private_ip", ""),
        "config": machine["config"],
        "image_ref": image_ref(machine["config"]["image"]),
        "created_at": machine["created_at"],
        "updated_at": machine["updated_at"],
        "events": machine["events"][:20],
        "checks": checks,
        "cordoned": machine["cordoned"],
        "host_status": machine["host_status"],
    }
    held = leases.alive(machine.get("lease"))
    if with_lease and held:
        made["lease"] = {key: held[key] for key in ("description", "expires_at", "owner")}
    return noisy_machine(made, noise)


def summary(machine: Machine) -> dict[str, Any]:
    """Without config, checks and events, as ``?summary=true`` gives it."""
    made = shown(machine, [])
    return {key: value for key, value in made.items() if key not in ("config", "checks", "events", "host_status")}
