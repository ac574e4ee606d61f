#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_ip
short_description: Converge the addresses of a Fly.io app
version_added: 0.1.0
description:
  - Assigns what is missing. Addresses that are there count, so a rerun never allocates a second one.
  - Nothing is released unless O(purge=true).
options:
  app:
    description: Name of the app.
    type: str
    required: true
  addresses:
    description:
      - Wanted addresses, each a kind or a dictionary with C(type), C(region), C(network) and C(count) (default 1).
      - Kinds are V(v4) (dedicated, billed), V(v6), V(shared_v4), V(private_v6) (Flycast) and V(egress_pair) (needs a region).
    type: list
    elements: raw
    default: []
  purge:
    description: Release addresses that are not wanted.
    type: bool
    default: false
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Be reachable by everyone
  opsmap.cloud.fly_ip:
    app: supercog-dashboard
    addresses: [shared_v4, v6]

- name: Leave New York by fixed addresses
  opsmap.cloud.fly_ip:
    app: supercog-agents
    addresses:
      - {type: egress_pair, region: ewr}
"""

RETURN = r"""
resource:
  description: The addresses by kind.
  returned: always
  type: dict
  sample: {shared_v4: [66.241.124.1], v6: ["2a09:8280:1::1"]}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [assign shared_v4]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "addresses": {"type": "list", "elements": "raw", "default": []},
        "purge": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}
KINDS = ("v4", "v6", "shared_v4", "private_v6", "egress_pair")
KEYS = {"type", "region", "network", "count"}


def wanted(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The option in its long form; refuses what is no address."""
    found = []
    for item in params["addresses"]:
        entry = {"type": item} if isinstance(item, str) else item
        if not isinstance(entry, dict) or set(entry) - KEYS or entry.get("type") not in KINDS:
            raise bad_option("addresses", f"{item!r} is no address", f"give one of {', '.join(KINDS)}, or a dictionary")
        if entry["type"] == "egress_pair" and not entry.get("region"):
            raise bad_option("addresses", "egress_pair has no region", "give the region of the machines that use it")
        found.append({"region": None, "network": None, "count": 1, **entry})
    return found


def kind(address: dict[str, Any]) -> str:
    """Kind of a listed address: the list does not tell, so it is inferred (reference fly 2.12)."""
    text = str(address["ip"])
    if address.get("egress"):
        return "egress_v4" if "." in text else "egress_v6"
    if address.get("shared"):
        return "shared_v4"
    if text.startswith("fdaa:") or address.get("network"):
        return "private_v6"
    return "v4" if "." in text else "v6"


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    wanted(params)


def fits(address: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether a listed address is one that the entry asks for."""
    kinds = ("egress_v4", "egress_v6") if entry["type"] == "egress_pair" else (entry["type"],)
    network = (address.get("network") or {}).get("name")
    return (
        kind(address) in kinds
        and entry["region"] in (None, address.get("region"))
        and entry["network"] in (None, network)
    )


def plan(params: dict[str, Any], observed: list[dict[str, Any]] | None) -> Plan:
    """Steps from the observed addresses to the wanted ones."""
    present = list(observed or [])
    result = Plan(before={"addresses": sorted(address["ip"] for address in present)})
    kept: list[str] = []
    added: list[str] = []
    for entry in wanted(params):
        size = 2 if entry["type"] == "egress_pair" else 1
        have = [address["ip"] for address in present if fits(address, entry) and address["ip"] not in kept]
        kept += have[: entry["count"] * size]
        where = f" in {entry['region']}" if entry["region"] else ""
        body = {key: entry[key] for key in ("type", "region", "network") if entry[key]}
        for _dummy in range(entry["count"] - min(entry["count"], len(have) // size)):
            result.add("assign", f"assign {entry['type']}{where}", body=body)
            added.append(f"({entry['type']}{where})")
    surplus = [address["ip"] for address in present if address["ip"] not in kept] if params["purge"] else []
    for address in surplus:
        result.add("release", f"release {address}", address=address)
    result.after = {"addresses": sorted(a["ip"] for a in present if a["ip"] not in surplus) + added}
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge the addresses of one app."""
    validate(params)
    client, app = Fly(params, context.clock), params["app"]

    def present(observed: list[dict[str, Any]]) -> dict[str, Any]:
        by_kind: dict[str, Any] = {}
        for address in observed:
            by_kind.setdefault(kind(address), []).append(address["ip"])
        return by_kind

    handlers = {
        "assign": lambda body: client.assign_address(app, body),
        "release": lambda address: client.release_address(app, address),
    }
    return converge(
        lambda: client.addresses(app),
        lambda observed: plan(params, observed),
        lambda made: apply(made, handlers, context),
        present,
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
