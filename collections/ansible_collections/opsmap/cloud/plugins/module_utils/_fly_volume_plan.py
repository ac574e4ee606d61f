# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that lead to the wanted pool of volumes. Pure: no calls."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import Field, differences
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_volumes import Volume
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan

NEW = "make a new pool under another name and copy the data, or leave the option out"
FIELDS = [
    Field("size_gb", change="grow", remedy="give the present size or more, or leave size_gb out"),
    Field("snapshot_retention"),
    Field("auto_backup_enabled"),
    Field("encrypted", change="create", remedy=NEW),
    Field("fstype", change="create", remedy=NEW),
]
SHOWN = ("size_gb", "snapshot_retention", "auto_backup_enabled")


def shown(volume: Volume) -> dict[str, Any]:
    """What of a volume the diff shows."""
    return {key: volume[key] for key in SHOWN if volume.get(key) is not None}


def plan_present(params: dict[str, Any], observed: dict[str, Any]) -> Plan:
    """Grow and change what there is, then make what is missing. What is too many stays."""
    pool = sorted(observed.get("volumes") or [], key=lambda volume: str(volume["id"]))
    result = Plan(before={"volumes": {v["id"]: shown(v) for v in pool}})
    result.after = {"volumes": {v["id"]: shown(v) for v in pool}}
    for volume in pool:
        _converge(params, volume, result)
    _create(params, pool, observed.get("source"), result)
    _surplus(params, pool, result)
    return result


def _converge(params: dict[str, Any], volume: Volume, result: Plan) -> None:
    label = f"volume {volume['id']}"
    desired = {field.name: params[field.name] for field in FIELDS}
    for name in ("encrypted", "fstype"):  # not told by every answer
        desired[name] = desired[name] if volume.get(name) not in (None, "") else None
    if volume.get("grows_by_itself"):
        desired["size_gb"] = max(volume["size_gb"], desired["size_gb"])
    found = differences(label, FIELDS, desired, volume)
    if found and volume.get("host_status") not in (None, "", "ok"):
        text = f"{label} is left as it is: its host is {volume['host_status']}"
        result.warnings.append(f"{text}; run again when the host is back")
        return
    for name, (_dummy, wanted) in found.items():
        result.after["volumes"][volume["id"]][name] = wanted
    if "size_gb" in found:
        size = found.pop("size_gb")
        restarts = f"; restarts machine {volume['attached_machine_id']} if it must" if _restarts(params, volume) else ""
        title = f"extend {label} from {size[0]} to {size[1]} GB{restarts}"
        result.add("extend", title, volume=volume["id"], size=size[1])
    if found:
        what = ", ".join(f"{name} {word(was)} -> {word(wanted)}" for name, (was, wanted) in found.items())
        body = {name: wanted for name, (dummy, wanted) in found.items()}
        result.add("change", f"change {label}: {what}", volume=volume["id"], body=body)


def word(value: Any) -> str:
    """A value in a title."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unknown" if value is None else str(value)


def _restarts(params: dict[str, Any], volume: Volume) -> bool:
    return bool(params["restart"] and volume.get("attached_machine_id"))


def _create(params: dict[str, Any], pool: list[Volume], source: dict[str, Any] | None, result: Plan) -> None:
    missing = params["count"] - len(pool)
    if missing <= 0:
        return
    least = (source or {}).get("size_gb") or 0
    size = params["size_gb"] or max([least, 1, *(volume["size_gb"] for volume in pool)])
    if size < least:
        reason = f"{size} GB cannot hold {source_name(source)}, which has {least} GB"
        raise bad_option("size_gb", reason, f"set size_gb to {least} or more")
    body = new_body(params, size, source)
    title = f"create volume {params['name']} in {params['region']} with {size} GB"
    for number in range(1, missing + 1):
        result.add("create", f"{title} from {source_name(source)}" if source else title, body=body)
        result.after["volumes"][f"(new {number})"] = shown(body)


def source_name(source: dict[str, Any] | None) -> str:
    """Where the data of a new volume comes from."""
    return f"{source['kind']} {source['id']}" if source else "nothing"


def new_body(params: dict[str, Any], size: int, source: dict[str, Any] | None) -> dict[str, Any]:
    """What a new volume is asked for with. The hints place it on a host that has room for its machine too."""
    unique = params["require_unique_zone"]
    given = {
        "snapshot_retention": params["snapshot_retention"],
        "auto_backup_enabled": params["auto_backup_enabled"],
        "encrypted": params["encrypted"],
        "fstype": params["fstype"],
        "require_unique_zone": params["count"] > 1 if unique is None else unique,
        "compute": params["guest"],
        "compute_image": params["image"],
        "snapshot_id": source["id"] if source and source["kind"] == "snapshot" else None,
        "source_volume_id": source["id"] if source and source["kind"] == "volume" else None,
    }
    body = {"name": params["name"], "region": params["region"], "size_gb": size}
    return {**body, **{key: value for key, value in given.items() if value is not None}}


def _surplus(params: dict[str, Any], pool: list[Volume], result: Plan) -> None:
    """Data is never deleted because a number went down."""
    extra = len(pool) - params["count"]
    if extra <= 0:
        return
    free = [volume["id"] for volume in pool if not volume.get("attached_machine_id")]
    which = f"; without a machine: {', '.join(free)}" if free else "; machines hold all of them"
    result.warnings.append(
        f"pool {params['name']} in {params['region']} has {len(pool)} volumes where {params['count']} are wanted{which}. "
        "They stay; remove one with state=absent, volume_id and confirm_destroy"
    )


def plan_absent(params: dict[str, Any], observed: dict[str, Any]) -> Plan:
    """A snapshot, then the end, volume by volume."""
    pool = sorted(observed.get("volumes") or [], key=lambda volume: str(volume["id"]))
    only = params["volume_id"]
    stranger = observed.get("stranger")
    if stranger:
        reason = f"{only} is of pool {stranger['name']} in {stranger['region']}"
        raise bad_option("volume_id", reason, "give name and region of its own pool")
    chosen = [volume for volume in pool if only in (None, "", volume["id"])]
    result = Plan(before={"volumes": {v["id"]: shown(v) for v in pool}} if chosen else {})
    left = {v["id"]: shown(v) for v in pool if v not in chosen}
    result.after = {"volumes": left} if chosen and left else {}
    if chosen and params["confirm_destroy"] != params["name"]:
        raise bad_option("confirm_destroy", f"is not {params['name']!r}", "give the pool's name to remove its volumes")
    for volume in chosen:
        holder = volume.get("attached_machine_id")
        if holder and not volume.get("detaching"):
            reason = f"machine {holder} holds it"
            raise refused(f"delete volume {volume['id']}", reason, "remove the machine first")
        result.add("delete", f"snapshot, then delete volume {volume['id']}", volume=volume["id"])
    return result
