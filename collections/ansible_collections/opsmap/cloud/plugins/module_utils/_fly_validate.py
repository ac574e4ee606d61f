# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known to be wrong in the options of fly_machines before anything is asked."""

from __future__ import annotations

import re
import shlex
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_groups import laid_over, stated

NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
RESERVED = ("fly_app_release_command", "fly_app_test_machine_command", "fly_app_console")
CPUS = {"shared": (1, 2, 4, 6, 8), "performance": (1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128)}
MEMORY = {"shared": (256, 2048, 256), "performance": (2048, 8192, 1024)}  # MB by cpu: least, most, step of the whole


def validate(params: dict[str, Any]) -> None:
    """Raise the first problem as CloudError ``bad_option``; text numbers of machines become numbers."""
    _numbers(params)
    if params["release"] and params["state"] != "previous":
        raise bad_option("release", "is only for state=previous", "set state=previous, or leave release away")
    if params["state"] != "present":
        return
    if not params["image"]:
        raise bad_option("image", "is empty", "give a reference such as registry.fly.io/app@sha256:...")
    _release_command(params["release_command"])
    groups = stated(params)
    names = [group["name"] for group in groups]
    for name in names:
        if not NAME.fullmatch(name) or name in RESERVED or names.count(name) > 1:
            raise bad_option(
                "groups", f"{name!r} is reserved, there twice or no name", "use lower-case letters, digits, - and _"
            )
    for group in groups:
        where = f"groups[{group['name']}]." if params["groups"] else ""
        _group(where, group, laid_over(params["config"], group["config"] or {}))
        _files(f"{where}files", group["files"] or [])
    _files("files", params["files"])


def _numbers(params: dict[str, Any]) -> None:
    if params["max_unavailable"] <= 0:
        raise bad_option("max_unavailable", f"{params['max_unavailable']} is not above 0", "give a share or a number")
    for option in ("smoke_seconds", "drain_seconds"):
        if params[option] < 0:
            raise bad_option(option, f"{params[option]} is below 0", "give seconds, 0 for none")
    if params["lease_ttl"] < 5:
        raise bad_option("lease_ttl", f"{params['lease_ttl']} is too short to prolong it in time", "give 5 or more")


def _release_command(given: dict[str, Any] | None) -> None:
    if given is None:
        return
    try:
        words = command_words(given["command"])
    except ValueError as problem:
        raise bad_option("release_command.command", str(problem), "mend its quotes, or give a list") from None
    if not words:
        raise bad_option("release_command.command", "is empty", "give the command, or leave release_command away")
    if given["timeout"] < 0:
        raise bad_option("release_command.timeout", f"{given['timeout']} is below 0", "give seconds, 0 for no limit")
    _guest("release_command.guest", given["guest"] or {})


def command_words(command: Any) -> list[str]:
    """A command as words; ValueError when its quotes do not close."""
    return [str(word) for word in command] if isinstance(command, (list, tuple)) else shlex.split(str(command))


def _group(where: str, group: dict[str, Any], config: dict[str, Any]) -> None:
    count = group["count"] or {}
    if not count:
        raise bad_option(f"{where}count", "names no region", "give machines by region, such as {ewr: 2}")
    for region, number in count.items():
        if isinstance(number, bool) or not str(number).isdigit():
            raise bad_option(
                f"{where}count", f"{number!r} machines in {region}", "give whole numbers, such as {ewr: 2}"
            )
        count[region] = int(number)
    services = config.get("services") or []
    if not sum(count.values()) and any(service.get("ports") for service in services):
        raise bad_option(
            f"{where}count",
            "0 machines in every region, but the group has a public service that nothing would answer",
            "give at least one machine, or take the services away first",
        )
    _mount(where, group["mount"], config)
    if (group["standbys"] or 0) < 0 or (group["standbys"] and services):
        raise bad_option(
            f"{where}standbys", "is below 0, or stands beside services", "only groups without services have it"
        )
    if group["standbys"] and not sum(count.values()):
        raise bad_option(f"{where}standbys", "there is no machine to stand by for", "give count at least one machine")
    for service in services:
        _service(f"{where}config.services", service)
    for name, check in (config.get("checks") or {}).items():
        if not _port(check.get("port")):
            raise bad_option(
                f"{where}config.checks.{name}", f"port {check.get('port')!r} is no port", "give 1 to 65535"
            )
    _guest(f"{where}config.guest", config.get("guest") or {})


def _mount(where: str, mount: dict[str, Any] | None, config: dict[str, Any]) -> None:
    if config.get("mounts"):
        raise bad_option(f"{where}config.mounts", "volumes are paired with machines here", "give mount: {volume, path}")
    if mount and not (mount.get("volume") and str(mount.get("path", "")).startswith("/")):
        raise bad_option(f"{where}mount", "has no volume or no absolute path", "give {volume: pool, path: /data}")


def _files(where: str, files: list[dict[str, Any]]) -> None:
    for file in files:
        if sum(file.get(key) is not None for key in ("content", "raw_value", "secret_name")) != 1:
            raise bad_option(
                where, f"{file['guest_path']} has not one source", "give content, raw_value or secret_name"
            )
        if not file["guest_path"].startswith("/"):
            raise bad_option(where, f"{file['guest_path']} is not absolute", "begin guest_path with /")


def _service(where: str, service: dict[str, Any]) -> None:
    if not _port(service.get("internal_port")):
        raise bad_option(where, f"internal_port {service.get('internal_port')!r} is no port", "give 1 to 65535")
    limits = service.get("concurrency") or {}
    if (limits.get("hard_limit") or 10**9) < (limits.get("soft_limit") or 0):
        raise bad_option(where, "hard_limit is below soft_limit", "make hard_limit the larger one")
    for check in service.get("checks") or []:
        if check.get("port") is not None and not _port(check["port"]):
            raise bad_option(where, f"check port {check['port']!r} is no port", "give 1 to 65535, or leave it away")


def _port(value: Any) -> bool:
    return not isinstance(value, bool) and str(value).isdigit() and 1 <= int(value) <= 65535


def _guest(where: str, guest: dict[str, Any]) -> None:
    """Sizes that the platform has: cpus by kind, and memory in proportion to them."""
    kind, cpus, memory = guest.get("cpu_kind") or "shared", guest.get("cpus"), guest.get("memory_mb")
    if guest.get("gpu_kind"):
        return
    if kind not in CPUS:
        raise bad_option(where, f"cpu_kind {kind!r} is not known", "give shared or performance")
    try:
        cpus, memory = cpus and int(cpus), memory and int(memory)
    except ValueError:
        raise _size(where, f"{cpus} cpus with {memory} MB are no numbers", kind, 1) from None
    if cpus and cpus not in CPUS[kind]:
        raise bad_option(where, f"{cpus} {kind} cpus are not offered", f"give one of {', '.join(map(str, CPUS[kind]))}")
    least, most, step = MEMORY[kind]
    if cpus and memory and (not least * cpus <= memory <= most * cpus or memory % step):
        raise _size(where, f"{memory} MB do not go with {cpus} {kind} cpus", kind, cpus)


def _size(where: str, problem: str, kind: str, cpus: int) -> CloudError:
    least, most, step = MEMORY[kind]
    return bad_option(where, problem, f"give memory_mb from {least * cpus} to {most * cpus} in steps of {step}")
