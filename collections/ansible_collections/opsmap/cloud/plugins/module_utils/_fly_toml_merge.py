# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fly.toml and what is given beside it, as options of fly_machines: what is given wins. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_services import doors

MAPS = ("env", "checks", "metadata", "guest")  # merged key by key; any other key of a config replaces
REGION, GROUP = "ewr", "app"
KEYS = ("process_group", "count", "image", "config", "env", "files", "mount", "strategy", "max_unavailable", "name")


def layered(*configs: Mapping[str, Any]) -> dict[str, Any]:
    """Machine configs over each other, the last one on top."""
    result: dict[str, Any] = {}
    for config in configs:
        for key, value in config.items():
            both = key in MAPS and isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = {**result[key], **value} if both else value
    return result


def options(file: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of fly_machines, besides ``services`` of all groups, all ``regions``, ``conflicts`` and ``port_problems``.

    file: what the lookup fly_toml returned, empty without a file. given: KEYS as the caller has them; an empty value is not given.
    One group comes as ``process_group``, ``count`` and ``mount``, several as ``groups``. Keys that nobody states are left out.
    """
    stated = file.get("machines") or {}
    groups: list[dict[str, Any]] = stated.get("groups") or [{"name": given.get("process_group") or GROUP, "config": {}}]
    counts = _counts(given.get("count") or {}, [group["name"] for group in groups], file.get("primary_region") or "")
    mine = layered(given.get("config") or {}, {"env": given["env"]} if given.get("env") else {})
    common, files = stated.get("config") or {}, given.get("files") or []
    listed = []
    for group in groups:
        config = layered(common, group["config"], mine)
        own = _files(group.get("files") or [], files, leave_out=True)
        listed.append({**group, "count": counts[group["name"]], "config": config, "files": own})
    shared = _files(stated.get("files") or [], files)
    result: dict[str, Any] = {
        "image": given.get("image") or (file.get("build") or {}).get("image") or "",
        "strategy": given.get("strategy") or stated.get("strategy"),
        "max_unavailable": given.get("max_unavailable") or stated.get("max_unavailable"),
        "release_command": stated.get("release_command"),
        "wait_timeout": file.get("deploy_wait_timeout"),
        "services": [service for group in listed for service in group["config"].get("services") or []],
        "regions": list(dict.fromkeys(region for count in counts.values() for region in count)),
        "conflicts": conflicts(file, given),
        "port_problems": [problem for group in listed for problem in port_problems(group)],
    }
    if len(listed) > 1:
        result |= {"groups": listed, "config": layered(common, mine), "files": shared}
    else:
        only = listed[0]
        result |= {"process_group": only["name"], "count": only["count"], "config": only["config"]}
        result |= {"files": [*shared, *only["files"]], "mount": given.get("mount") or only.get("mount")}
    return {key: value for key, value in result.items() if value is not None}


def _files(
    stated: Sequence[dict[str, Any]], given: Sequence[dict[str, Any]], leave_out: bool = False
) -> list[dict[str, Any]]:
    """What is stated and not replaced by what is given, then what is given; leave_out: without the latter."""
    replaced = {file["guest_path"] for file in given}
    return [*(file for file in stated if file["guest_path"] not in replaced), *([] if leave_out else given)]


def _counts(given: Mapping[str, Any], groups: Sequence[str], primary: str) -> dict[str, dict[str, int]]:
    """Machines by region for each group: as given, for all groups or for each, else one in the primary region."""
    default = {primary or REGION: 1}
    by_group = any(isinstance(value, Mapping) for value in given.values())
    return {name: _primary_first((given.get(name) if by_group else given) or default, primary) for name in groups}


def _primary_first(count: Mapping[str, int], primary: str) -> dict[str, int]:
    """The first region is the primary one to fly_machines, with or without machines there."""
    return {primary: count.get(primary, 0), **count} if primary else dict(count)


def port_problems(group: Mapping[str, Any]) -> list[str]:
    """External ports of a group's services that are none, or that two of them share, each with the remedy."""
    services, name = group["config"].get("services") or [], group["name"]
    if not all(isinstance(service, Mapping) for service in services):
        return [f"group {name}: a service is a mapping; give {{protocol, internal_port, ports}}"]
    try:
        found = doors(services)
    except CloudError as error:
        return [f"group {name}: {error.message}; {error.hint}"]
    shared = (
        f"group {name}: two services share one external port, {one}; give each its own"
        for one, other in combinations(found, 2)
        if one.protocol == other.protocol and one.first <= other.last and other.first <= one.last
    )
    return list(dict.fromkeys(shared))


def conflicts(file: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is given and does not go with the file, each with the remedy."""
    found: list[str] = []
    name, app = given.get("name"), file.get("app")
    if not file:
        return found
    groups = [group["name"] for group in file["machines"]["groups"]]
    if name and app and name != app:
        found.append(
            f"the file is for app {app!r} and fly_app_name is {name!r}; make them the same, or remove app from the file"
        )
    if given.get("process_group") and [given["process_group"]] != groups:
        says = f"the file has {', '.join(groups)} and fly_app_process_group is {given['process_group']!r}"
        found.append(f"{says}; leave the variable out")
    if given.get("mount") and len(groups) > 1:
        found.append(f"fly_app_mount does not say for which of {', '.join(groups)} it is; use [[mounts]] in the file")
    count = given.get("count") or {}
    if any(isinstance(value, Mapping) for value in count.values()):
        unknown = [key for key in count if key not in groups]
        found += [
            f"fly_app_count: there is no process group {key!r}; the file has {', '.join(groups)}" for key in unknown
        ]
    return found
