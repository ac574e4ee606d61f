# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections of a fly.toml that shape the machine: size, volume, restart, metrics, statics, stop."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_groups import Groups
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_read import Section
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_units import SECOND, go_duration

CPUS = {"shared": (1, 2, 4, 6, 8), "performance": (1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128)}
MEMORY = {"shared": (256, 2048, 256), "performance": (2048, 8192, 1024)}  # least and most per CPU, step
GPUS = {"a10": "a10", "a100-40gb": "a100-pcie-40gb", "a100-80gb": "a100-sxm4-80gb", "l40s": "l40s"}
SIZES = [f"shared-cpu-{n}x" for n in CPUS["shared"]] + [f"performance-{n}x" for n in CPUS["performance"]] + list(GPUS)
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2")
POLICIES = {"always": "always", "never": "no", "on-failure": "on-failure"}
POOL = re.compile("[a-z0-9_]{1,30}")


def preset(name: str) -> dict[str, Any]:
    """What a named size stands for."""
    if name in GPUS:
        least = MEMORY["performance"][0]
        return {"cpu_kind": "performance", "cpus": 8, "memory_mb": 16 * least, "gpu_kind": GPUS[name], "gpus": 1}
    kind, count = name.split("-")[0], int(name.rsplit("-", 1)[1].rstrip("x"))
    return {"cpu_kind": kind, "cpus": count, "memory_mb": count * MEMORY[kind][0]}


def guest(section: Section, host: str | None) -> dict[str, Any]:
    """The guest of one ``[[vm]]``: its size is the base, its other keys win. host: the file's host_dedication_id."""
    size, memory, megabytes = (
        section.text("size", SIZES),
        section.size("memory", 1024, "m"),
        section.whole("memory_mb", 1),
    )
    gpu = section.text("gpu_kind", tuple(GPUS.values()))
    if memory == 0:
        section.problem("memory", "is less than a megabyte")
    given: dict[str, Any] = {
        "cpu_kind": section.text("cpu_kind", tuple(CPUS)),
        "cpus": section.whole("cpus"),
        "memory_mb": megabytes or memory,
        "gpu_kind": gpu,
        "gpus": section.whole("gpus"),
        "host_dedication_id": section.text("host_dedication_id") or host,
        "kernel_args": section.texts("kernel_args", single=True),
        "persist_rootfs": section.text("persist_rootfs", ("never", "always", "restart")),
    }
    found = {**preset(size or ("performance-8x" if gpu else "shared-cpu-1x")), **{k: v for k, v in given.items() if v}}
    if found.get("gpus") and not found.get("gpu_kind"):
        section.problem("gpus", "gpu_kind is missing")
    elif found.get("gpu_kind"):
        found.setdefault("gpus", 1)
    _check_size(section, found)
    return found


def _check_size(section: Section, found: dict[str, Any]) -> None:
    kind, cpus, memory = found["cpu_kind"], found["cpus"], found["memory_mb"]
    least, most, step = MEMORY[kind]
    if cpus not in CPUS[kind]:
        section.problem("cpus", f"{kind} machines have {', '.join(map(str, CPUS[kind]))} CPUs, not {cpus}")
    elif not least * cpus <= memory <= most * cpus or memory % step:
        says = f"{memory} MB do not go with {cpus} {kind} CPU{'s' if cpus > 1 else ''}"
        section.problem("memory", f"{says}; give {least * cpus} to {most * cpus} MB in steps of {step}")
    if found.get("gpus", 1) not in (1, 2, 4, 8):
        section.problem("gpus", f"a machine has 1, 2, 4 or 8 GPUs, not {found['gpus']}")


def guests(root: Section, groups: Groups) -> dict[str, dict[str, Any]]:
    """The guest of each group. A section without ``processes`` is for all groups that no other section names."""
    host = root.text("host_dedication_id")
    sections = root.tables("compute", "computes", "vm")
    found: dict[str, dict[str, Any]] = {name: {"host_dedication_id": host} if host else {} for name in groups.names}
    own: dict[str, Section] = {}
    general: list[Section] = []
    made = {id(section): guest(section, host) for section in sections}
    for section in sections:
        names = groups.named(section)
        general += [] if names else [section]
        for name in names:
            if name in own:
                own[name].warn(
                    "processes", f"is not used for {name}: {section.path} names it too, and the last one counts"
                )
            own[name] = section
    for section in general[1:]:
        section.warn("", f"is not used: {general[0].path} is for all groups, and the first one counts")
    for name in groups.names:
        section_for = own.get(name) or next(iter(general), None)
        if section_for:
            found[name] = made[id(section_for)]
    return found


def mounts(root: Section, groups: Groups, found_guests: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The volume of each group that has one: pool, path, sizes and retention."""
    found: list[dict[str, Any]] = []
    for section in root.tables("mount", "mounts"):
        mount = _mount(section)
        for name in groups.of(section):
            if any(other["group"] == name for other in found):
                section.problem("", f"group {name} has a volume already; a machine can have one")
            default = 100 if found_guests[name].get("gpu_kind") else 1
            found.append({"group": name, **mount, "size_gb": mount["size_gb"] or default})
    return found


def _mount(section: Section) -> dict[str, Any]:
    source, path = section.text("source"), section.absolute("destination")
    if source is None and not section.has("source"):
        section.problem("source", "missing; give the name of the volumes")
    elif source and not POOL.fullmatch(source):
        section.problem(
            "source", f"{source!r} is no volume name; use lower-case letters, digits and underscores, 30 at most"
        )
    if path == "/":
        section.problem("destination", "the root cannot be a volume; give a folder below it")
    sizes = {key: section.size(key, 1000, "g") for key in ("initial_size", *EXTEND)}
    threshold = section.whole("auto_extend_size_threshold")
    bounds = {"initial_size": 500, "auto_extend_size_increment": 100, "auto_extend_size_limit": 500}
    for key, most in bounds.items():
        value = sizes[key]
        if value is not None and not 1 <= value <= most:
            section.problem(key, f"{value} GB is not from 1 to {most} GB")
    if threshold is not None or any(sizes[key] for key in EXTEND):
        _check_extension(section, threshold, sizes["auto_extend_size_increment"])
    return {
        "name": source or "",
        "path": path or "",
        "size_gb": sizes["initial_size"],
        "snapshot_retention": section.whole("snapshot_retention", 1, 60),
        "auto_backup_enabled": section.flag("scheduled_snapshots"),
        "extend_threshold_percent": threshold,
        "add_size_gb": sizes["auto_extend_size_increment"],
        "size_gb_limit": sizes["auto_extend_size_limit"],
    }


EXTEND = ("auto_extend_size_increment", "auto_extend_size_limit")


def _check_extension(section: Section, threshold: int | None, increment: int | None) -> None:
    if threshold is None and not section.has("auto_extend_size_threshold"):
        section.problem("auto_extend_size_threshold", "missing; give the percentage from which the volume grows")
    elif threshold is not None and not 50 <= threshold <= 99:
        section.problem("auto_extend_size_threshold", f"{threshold} is not from 50 to 99")
    if increment is None and not section.has("auto_extend_size_increment"):
        section.problem("auto_extend_size_increment", "missing; give the size by which the volume grows")


def restarts(root: Section, groups: Groups) -> dict[str, dict[str, Any]]:
    """The restart policy of each group that has one; of several the last counts."""
    found: dict[str, dict[str, Any]] = {}
    for section in root.tables("restart"):
        policy, retries = section.text("policy", tuple(POLICIES)), section.whole("retries")
        if policy is None and not section.has("policy"):
            section.problem("policy", f"missing; give one of {', '.join(POLICIES)}")
        names = groups.named(section)
        if not names and len(groups.names) > 1:
            section.warn("", f"names no processes, so it is for {groups.default} alone, as flyctl has it")
        for name in names or [groups.default]:
            found[name] = {"policy": POLICIES[policy]} if policy else {}
            found[name] |= {"max_retries": retries} if retries else {}
    return found


def metrics(root: Section, experimental: Section | None, groups: Groups) -> dict[str, dict[str, Any]]:
    """Where each group tells its metrics; of several the first counts. Old files say it in ``[experimental]``."""
    old: dict[str, Any] = {}
    if experimental:
        old = {"port": experimental.whole("metrics_port", 1, 65535), "path": experimental.text("metrics_path")}
    found: dict[str, dict[str, Any]] = {}
    for section in root.tables("metric", "metrics"):
        port = section.whole("port", 1, 65535)
        if port is None and not section.has("port"):
            section.problem("port", "missing; give the port that tells the metrics")
        values = {"port": port, "path": section.text("path"), "https": section.flag("https")}
        for name in groups.of(section):
            if name in found:
                section.warn("", f"is not used for {name}: an earlier section is, and the first one counts")
            found.setdefault(name, {key: value for key, value in values.items() if value})
    if not root.raw("metrics") and old.get("port"):
        found = {groups.default: {key: value for key, value in old.items() if value}}
    return found


def statics(root: Section) -> list[dict[str, Any]]:
    """Folders that the proxy serves itself, for all groups."""
    found: list[dict[str, Any]] = []
    for section in root.tables("statics"):
        values = {
            "guest_path": section.absolute("guest_path"),
            "url_prefix": section.absolute("url_prefix"),
            "tigris_bucket": section.text("tigris_bucket"),
            "index_document": section.text("index_document"),
        }
        if values["index_document"] and not values["tigris_bucket"]:
            section.warn("index_document", "has no effect without tigris_bucket")
        if any(other.get("url_prefix") == values["url_prefix"] for other in found if values["url_prefix"]):
            section.problem("url_prefix", f"{values['url_prefix']} is taken by another section")
        found.append({key: value for key, value in values.items() if value})
    if len(found) > 10:
        root.problem("statics", f"there are {len(found)}; an app can have 10")
    return found


def stop_config(root: Section, experimental: Section | None) -> dict[str, Any]:
    """How a machine is asked to stop. A number is seconds. Old files have kill_timeout in ``[experimental]``."""
    timeout = root.duration("kill_timeout", SECOND)
    old = experimental.duration("kill_timeout", SECOND) if experimental else None
    timeout = old if timeout is None else timeout
    if timeout is not None and timeout > 300 * SECOND:
        root.problem("kill_timeout", f"{go_duration(timeout)} is more than 5m, the longest that Fly.io waits")
    found = {"signal": root.text("kill_signal", SIGNALS), "timeout": None if timeout is None else go_duration(timeout)}
    return {key: value for key, value in found.items() if value}
