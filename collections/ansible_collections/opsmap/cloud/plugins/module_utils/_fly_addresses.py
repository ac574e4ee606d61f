# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of an app: their kinds, and which ones its services need (reference fly 2.12, 3.3, 3.4). Pure: no calls."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_services import Door

Address = dict[str, Any]
AUTO = "auto"
PUBLIC = ("v4", "v6", "shared_v4")
FLYCAST = "private_v6"
EGRESS = ("egress_v4", "egress_v6", "egress_pair")
KINDS = (*PUBLIC, FLYCAST, *EGRESS)
KEYS = ("type", "region", "network", "org", "service_name", "count")


def kind(address: Address) -> str:
    """Kind of a listed address: the list does not tell, so it is inferred."""
    text = str(address["ip"])
    if address.get("egress"):
        return "egress_v4" if "." in text else "egress_v6"
    if address.get("shared"):
        return "shared_v4"
    if text.startswith("fdaa:") or address.get("network"):
        return FLYCAST
    return "v4" if "." in text else "v6"


def entry(item: Any) -> Address:
    """One wanted address in its long form; refuses what is none."""
    given = {"type": item} if isinstance(item, str) else item
    if not isinstance(given, dict) or set(given) - set(KEYS) or given.get("type") not in (AUTO, *KINDS):
        hint = f"give one of {AUTO}, {', '.join(KINDS)}, or a dictionary with {', '.join(KEYS)}"
        raise bad_option("addresses", f"{item!r} is no address", hint)
    made = {**dict.fromkeys(KEYS), "count": 1, **{key: value for key, value in given.items() if value is not None}}
    name, count = made["type"], made["count"]
    if name in EGRESS and not made["region"]:
        raise bad_option("addresses", f"{name} has no region", "give the region of the machines that use it")
    if isinstance(count, bool) or not str(count).isdigit() or int(count) < 1:
        raise bad_option("addresses", f"count of {name} is {count!r}", "give a number from 1 on, or leave the kind out")
    if name in ("shared_v4", AUTO) and int(count) != 1:
        raise bad_option("addresses", f"count of {name} is {count}", "an app has one shared address at most")
    if name != FLYCAST and (made["network"] or made["org"]):
        raise bad_option("addresses", f"{name} has a network or org", f"only {FLYCAST} is for one network")
    return {**made, "count": int(count)}


def body(wanted: Address) -> dict[str, Any]:
    """What the API is sent for one."""
    names = {
        "type": "type",
        "region": "region",
        "network": "network",
        "org": "org_slug",
        "service_name": "service_name",
    }
    return {there: wanted[here] for here, there in names.items() if wanted[here]}


def title(wanted: Address) -> str:
    """How a step calls it."""
    extra = [f"in {wanted['region']}"] if wanted["region"] else []
    extra += [f"for network {wanted['network']}"] if wanted["network"] else []
    extra += [f"of {wanted['org']}"] if wanted["org"] else []
    return " ".join([wanted["type"], *extra])


def fits(address: Address, wanted: Address) -> bool:
    """Whether a listed address is one that is wanted."""
    kinds = ("egress_v4", "egress_v6") if wanted["type"] == "egress_pair" else (wanted["type"],)
    network = address.get("network") or {}
    pairs = (
        (wanted["region"], address.get("region")),
        (wanted["network"], network.get("name")),
        (wanted["org"], network.get("org_slug")),
        (wanted["service_name"], address.get("service_name")),
    )
    return kind(address) in kinds and all(wants in (None, has) for wants, has in pairs)


def derived(exits: list[Door], explicit: list[Address], present: list[Address]) -> tuple[list[Address], list[str]]:
    """What ``auto`` stands for, and what is to be said about it.

    Nothing without external ports; shared_v4 and v6 where every port can share; else v4 and v6. A dedicated v4 that is there
    serves for a shared one. An app that is reached over Flycast alone stays private.
    """
    if not exits:
        return [], []
    kinds = {kind(address) for address in present}
    if FLYCAST in kinds and not kinds & set(PUBLIC) and not any(item["type"] == FLYCAST for item in explicit):
        return [entry(FLYCAST)], [
            "auto adds no public address: the app is reached over Flycast alone; list kinds to open it"
        ]
    own = [door for door in exits if not door.shareable]
    v4 = "v4" if own or "v4" in kinds else "shared_v4"
    given = {item["type"] for item in explicit}
    wanted = [name for name in (v4, "v6") if name not in given and not (name == "shared_v4" and "v4" in given)]
    if "v4" in wanted and "v4" not in kinds:
        reason = f"{', '.join(map(str, own))} cannot share one"
        return [entry(name) for name in wanted], [
            f"v4 is a dedicated address, billed at about 2 dollars a month: {reason}"
        ]
    return [entry(name) for name in wanted], []


def check(exits: list[Door], wanted: list[Address], kept: set[str]) -> list[str]:
    """Refuse services that the addresses cannot serve; gives what works only in part.

    kept: kinds that the app has and keeps. Without any address nothing is reached through Fly's proxy, which is no mistake.
    """
    kinds = {item["type"] for item in wanted} | kept
    entrances = kinds & {*PUBLIC, FLYCAST}
    if not entrances or "v4" in kinds:
        return []
    udp = next((door for door in exits if door.protocol == "udp"), None)
    if udp:
        raise bad_option("addresses", f"{udp} is only served on a dedicated v4", "add v4, which is billed, or use auto")
    forced = next((door for door in exits if door.force_https), None)
    if forced and entrances == {FLYCAST}:
        hint = "leave force_https out, or add public addresses"
        raise bad_option("services", f"{forced} has force_https, and Flycast has no HTTPS", hint)
    if "shared_v4" in kinds:
        blind = [str(door) for door in exits if not door.names_its_host]
        return [f"{', '.join(blind)}: not reached over the shared v4, only over v6; add v4"] if blind else []
    return []
