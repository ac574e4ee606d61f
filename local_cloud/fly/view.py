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
PARTS = ("registry", "repository", "tag", "digest")


def image_ref(image: str, digest: str = "") -> dict[str, Any]:
    """The parts of an image reference. digest: what its tag led to when the version was first started.

    ``library/`` is written out by row 16 of the read-back differences, so that it can be switched off.
    """
    found = REFERENCE.match(image)
    parts: dict[str, Any] = found.groupdict() if found else {**dict.fromkeys(PARTS), "repository": image}
    return {
        "registry": parts["registry"] or "registry-1.docker.io",
        "repository": parts["repository"],
        "tag": parts["tag"] or ("" if parts["digest"] else "latest"),
        "digest": parts["digest"] or digest,
        "labels": {},
    }


def shown(
    machine: Machine, checks: list[dict[str, Any]], *, noise: Collection[int] = (), with_lease: bool = False
) -> dict[str, Any]:
    """The whole machine. noise: rows of read-back differences.

    Of one whose host does not answer the config is what others remember of it.
    """
    config = machine["config"]
    made = {
        "id": machine["id"],
        "name": machine["name"],
        "state": machine["state"],
        "region": machine["region"],
        "instance_id": machine["instance_id"],
        "version": machine["instance_id"],
        "private_ip": machine.get("private_ip", ""),
        "config": config if machine["host_status"] == "ok" else None,
        "image_ref": image_ref(machine["config"]["image"], (machine.get("image") or {}).get("digest", "")),
        "created_at": machine["created_at"],
        "updated_at": machine["updated_at"],
        "events": machine["events"][:20],
        "checks": checks,
        "cordoned": machine["cordoned"],
        "host_status": machine["host_status"],
    }
    if machine["host_status"] != "ok":
        made["incomplete_config"] = config
    held = leases.alive(machine.get("lease"))
    if with_lease and held:
        made["lease"] = {key: held[key] for key in ("description", "expires_at", "owner")}
    return noisy_machine(made, noise)


def summary(machine: Machine) -> dict[str, Any]:
    """Without config, checks and events, as ``?summary=true`` gives it."""
    made = shown(machine, [])
    hidden = ("config", "incomplete_config", "checks", "events", "host_status")
    return {key: value for key, value in made.items() if key not in hidden}
