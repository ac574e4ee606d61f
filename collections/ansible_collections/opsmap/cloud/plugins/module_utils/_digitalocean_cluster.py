# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is made of: its field table, what is offered, and which direction a change may take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_config import check_config
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import Field, differences

Object = dict[str, Any]

AUTOSCALE = {"threshold_percent": (15, 95), "increment_gib": (10, 500)}
LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
CNAME = rf"{LABEL}(\.{LABEL})+"
MOST_CNAMES = 16
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def tag_set(value: Any) -> Any:
    """Tags are matched without regard to case; null is none."""
    return sorted({str(tag).casefold() for tag in value or []})


def window_of(value: Any) -> Any:
    """``{day: Monday, hour: 13:00:00, ...}`` -> ``(monday, 13:00)``."""
    if not value:
        return None
    return str(value.get("day")).lower(), ":".join(str(value.get("hour")).split(":")[:2]).zfill(5)


def version_of(value: Any) -> Any:
    """PostgreSQL's major version."""
    return str(value).split(".", maxsplit=1)[0]


FIELDS = [
    Field("name", change="create"),
    Field("engine", change="create"),
    Field("version", compare=version_of),
    Field("size"),
    Field("num_nodes"),
    Field("storage_size_mib", change="grow", remedy="storage only grows; leave storage_size_mib at what is there"),
    Field("region"),
    Field("private_network_uuid"),
    Field("maintenance_window", compare=window_of),
    Field("tags", compare=tag_set),
    Field("project_id"),
]
AT_CREATION = [field.name for field in FIELDS if field.name != "maintenance_window"]


def changes(
    params: Mapping[str, Any], cluster: Mapping[str, Any], autoscaled: bool = False
) -> dict[str, tuple[Any, Any]]:
    """Options that differ: name -> (is, should be). Refuses what DigitalOcean does not do.

    autoscaled: whether the storage grows by itself; what has grown is then left alone.
    """
    what = f"cluster {params['name']}"
    desired = {field.name: params[field.name] for field in FIELDS}
    storage, present = params["storage_size_mib"], cluster.get("storage_size_mib") or 0
    if storage is not None and storage < present and autoscaled:
        desired["storage_size_mib"] = None
    found = differences(what, FIELDS, desired, dict(cluster))
    if "version" in found and _number(found["version"][1]) < _number(found["version"][0]):
        _refuse(
            what, "version", found, "set version to what is there: there is no way back, DigitalOcean may upgrade too"
        )
    if "size" in found and weight(found["size"][1]) < weight(found["size"][0]):
        _refuse(what, "size", found, "nodes only grow; make a smaller cluster and move over")
    return found


def check_offer(params: Mapping[str, Any], wanted: Mapping[str, Any], offer: Mapping[str, Any]) -> None:
    """Refuse a region, version, size or number of nodes that is not offered; name what is."""
    regions, versions = offer.get("regions") or [], [str(item) for item in offer.get("versions") or []]
    if wanted.get("region") and regions and wanted["region"] not in regions:
        raise bad_option("region", f"{wanted['region']!r} is not offered", f"one of: {', '.join(regions)}")
    if wanted.get("version") and versions and version_of(wanted["version"]) not in map(version_of, versions):
        raise bad_option("version", f"{wanted['version']!r} is not offered", f"one of: {', '.join(versions)}")
    layouts = {int(layout["num_nodes"]): layout.get("sizes") or [] for layout in offer.get("layouts") or []}
    nodes, size = params["num_nodes"], wanted.get("size")
    if layouts and nodes not in layouts:
        raise bad_option("num_nodes", f"{nodes} is not offered", f"one of: {', '.join(map(str, sorted(layouts)))}")
    if layouts and size and size not in layouts[nodes]:
        elsewhere = [str(count) for count, sizes in sorted(layouts.items()) if size in sizes]
        more = f" (it is for {' or '.join(elsewhere)} nodes)" if elsewhere else ""
        hint = f"one of: {', '.join(layouts[nodes])}"
        raise bad_option("size", f"{size!r} is not offered with num_nodes {nodes}{more}", hint)


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse what no cluster can have."""
    check_name(params["name"])
    if params["fork_before_destroy"]:
        check_name(params["fork_before_destroy"], "fork_before_destroy")
    for tag in params["tags"] or []:
        if not re.fullmatch(r"[A-Za-z0-9_:-]{1,255}", tag):
            raise bad_option("tags", f"{tag!r} is no tag", "use letters, digits, colons, dashes and underscores")
    wanted = params["maintenance_window"]
    if wanted and not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d(:00)?", wanted["hour"]):
        raise bad_option("maintenance_window", f"hour {wanted['hour']!r} is no time", "give it as 04:00, in quotes")
    check_config(params["config"] or {})
    _check_autoscale(params["autoscale"] or {})
    names = params["service_cnames"] or []
    for name in names:
        if len(name) > 253 or not re.fullmatch(CNAME, name):
            raise bad_option("service_cnames", f"{name!r} is no host name", "give names such as db.example.com")
    if len(names) > MOST_CNAMES:
        raise bad_option("service_cnames", f"{len(names)} are too many", f"DigitalOcean takes {MOST_CNAMES}")


def check_name(name: str, option: str = "name") -> None:
    """Refuse what is no name of a cluster or replica."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name):
        raise bad_option(option, f"{name!r} is no cluster name", "use 3 to 63 lower-case letters, digits and dashes")


def _check_autoscale(wanted: Mapping[str, Any]) -> None:
    for key, (low, high) in AUTOSCALE.items():
        value = wanted.get(key)
        if value is not None and not low <= value <= high:
            raise bad_option("autoscale", f"{key} is {value}", f"give {low} to {high}")
        if wanted.get("enabled") and value is None:
            raise bad_option("autoscale", f"{key} is missing", f"give {low} to {high}")


def _refuse(what: str, name: str, found: dict[str, tuple[Any, Any]], remedy: str) -> None:
    present, wanted = found[name]
    raise refused(f"change {what}", f"{name} is {present!r} and cannot become {wanted!r}", remedy)


def _number(version: Any) -> int:
    digits = re.match(r"\d+", str(version))
    return int(digits[0]) if digits else 0


def weight(slug: str) -> tuple[int, int]:
    """Memory, then processors, of a size such as ``db-s-2vcpu-4gb``; unknown slugs weigh the most: the API decides."""
    match = re.search(r"(\d+)vcpu-(\d+)gb", str(slug))
    return (int(match[2]), int(match[1])) if match else (1 << 30, 0)


def connections(slug: str) -> int | None:
    """Backend connections of a size: 25 for each GB of memory, less 3; None for a size that does not tell its memory."""
    match = re.search(r"(\d+)gb", slug)
    return int(match[1]) * 25 - 3 if match else None
