"""What a config looks like when it is read back: differences that mean nothing (reference fly 5.2)."""

from __future__ import annotations

import copy
from typing import Any

from local_cloud.fly.durations import rendered

DURATIONS = ("interval", "timeout", "grace_period")
PRESETS = {"shared-cpu-1x": (1, 256), "shared-cpu-2x": (2, 512), "shared-cpu-4x": (4, 1024), "shared-cpu-8x": (8, 2048)}
AUTOSTOP = {"off": False, "stop": True, "suspend": "suspend", False: False, True: True}


def noisy(config: dict[str, Any]) -> dict[str, Any]:
    """The same config as the server echoes it. Numbers are rows of the reference's table."""
    made = copy.deepcopy(config)
    made.setdefault("init", {})  # 1
    made.setdefault("dns", {})  # 2
    made["guest"] = _guest(made)  # 4
    made.pop("size", None)
    if not made.get("restart", {}).get("policy"):
        made["restart"] = {"policy": "on-failure", "max_retries": 10}  # 5
    for service in made.get("services") or []:
        service["force_instance_key"] = service.get("force_instance_key")  # 8
        if "autostop" in service:
            service["autostop"] = AUTOSTOP.get(service["autostop"], service["autostop"])  # 6
        for check in service.get("checks") or []:
            _durations(check)
    for check in (made.get("checks") or {}).values():
        _durations(check)
    if (made.get("stop_config") or {}).get("timeout"):
        made["stop_config"]["timeout"] = rendered(made["stop_config"]["timeout"])
    for mount in made.get("mounts") or []:
        mount.setdefault("encrypted", True)  # 13
        mount.setdefault("size_gb", 1)
    return made


def _guest(config: dict[str, Any]) -> dict[str, Any]:
    cpus, memory = PRESETS.get(config.get("size") or "shared-cpu-1x", (1, 256))
    return {"cpu_kind": "shared", "cpus": cpus, "memory_mb": memory, **(config.get("guest") or {})}


def _durations(check: dict[str, Any]) -> None:
    for key in DURATIONS:
        if check.get(key):
            check[key] = rendered(check[key])  # 10
