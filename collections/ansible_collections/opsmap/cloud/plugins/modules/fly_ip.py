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
      - Wanted addresses, each a kind or a dictionary with C(type), C(count) (default 1), C(region), C(network), C(org) and
        C(service_name).
      - V(auto) follows from O(services). No external port, no address; V(shared_v4) and V(v6) where all ports are 80 with
        the handler C(http) or 443 with C(tls); V(v4) and V(v6) otherwise, with a warning that tells why. An app that is
        reached over Flycast alone stays private.
      - V(v4) is dedicated and billed at about 2 dollars a month. UDP is served there only. V(v6) and V(shared_v4) are free.
      - V(private_v6) is Flycast, private addresses behind the proxy; C(network) and C(org) choose from where it is reached.
      - V(egress_v4), V(egress_v6) and V(egress_pair) are fixed addresses of outgoing traffic; they need the C(region) of the machines.
    type: list
    elements: raw
    default: [auto]
  services:
    description:
      - Services of the app's machines in the API's words, those of all process groups together.
      - What O(addresses) cannot serve is an error. That is UDP without V(v4), and C(force_https) where only Flycast leads.
    type: list
    elements: dict
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
- name: Be reachable as the services need it
  opsmap.cloud.fly_ip:
    app: supercog-dashboard
    services:
      - protocol: tcp
        internal_port: 3000
        ports:
          - {port: 80, handlers: [http], force_https: true}
          - {port: 443, handlers: [tls, http]}

- name: Be reachable inside the organization, and leave New York by fixed addresses
  opsmap.cloud.fly_ip:
    app: supercog-agents
    addresses:
      - private_v6
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

from functools import partial
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_addresses import (
    AUTO,
    Address,
    body,
    check,
    derived,
    entry,
    fits,
    kind,
    title,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_services import doors
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "addresses": {"type": "list", "elements": "raw", "default": [AUTO]},
        "services": {"type": "list", "elements": "dict", "default": []},
        "purge": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    doors(params["services"])
    for item in params["addresses"]:
        entry(item)


def resolved(params: dict[str, Any], present: list[Address]) -> tuple[list[Address], list[str]]:
    """The wanted addresses with ``auto`` resolved, and what is to be said about them."""
    exits, given = doors(params["services"]), [entry(item) for item in params["addresses"]]
    explicit = [item for item in given if item["type"] != AUTO]
    wanted, warnings = explicit, []
    if len(explicit) < len(given):
        found, warnings = derived(exits, explicit, present)
        wanted = [*found, *explicit]
    kept = set() if params["purge"] else {kind(address) for address in present}
    return wanted, [*warnings, *check(exits, wanted, kept)]


def matched(wanted: list[Address], present: list[Address]) -> list[list[Address]]:
    """For each wanted entry the addresses that serve it; those that name a region or network choose first."""
    free, found = list(present), [[] for dummy in wanted]  # type: list[Address], list[list[Address]]
    special = sorted(range(len(wanted)), key=lambda at: -len(body(wanted[at])))
    for at in special:
        want = wanted[at]
        for side in ("egress_v4", "egress_v6") if want["type"] == "egress_pair" else (want["type"],):
            found[at] += [a for a in free if fits(a, want) and kind(a) == side][: want["count"]]
        free = [address for address in free if address not in found[at]]
    return found


def plan(params: dict[str, Any], observed: list[Address] | None) -> Plan:
    """Steps from the observed addresses to the wanted ones."""
    present = list(observed or [])
    wanted, warnings = resolved(params, present)
    served = matched(wanted, present)
    result = Plan(before={"addresses": sorted(address["ip"] for address in present)}, warnings=warnings)
    for want, have in zip(wanted, served, strict=True):
        for missing in _missing(want, have):
            result.add("assign", f"assign {title(missing)}", wanted=missing)
    kept = [address["ip"] for have in served for address in have]
    surplus = [address["ip"] for address in present if address["ip"] not in kept] if params["purge"] else []
    added = [f"({step.title.removeprefix('assign ')})" for step in result.steps]
    for address in surplus:
        result.add("release", f"release {address}", address=address)
    result.after = {"addresses": sorted(a["ip"] for a in present if a["ip"] not in surplus) + added}
    return result


def _missing(want: Address, have: list[Address]) -> list[Address]:
    """What is to be assigned, one by one; half a pair is completed by its other half."""
    if want["type"] != "egress_pair":
        return [want] * (want["count"] - len(have))
    lacks = {
        side: want["count"] - sum(kind(address) == side for address in have) for side in ("egress_v4", "egress_v6")
    }
    pairs = min(lacks.values())
    halves = [{**want, "type": side} for side, count in lacks.items() for dummy in range(count - pairs)]
    return [want] * pairs + halves


def assign(client: Fly, params: dict[str, Any], context: Context, wanted: Address) -> None:
    """One more address, and not two when an answer is lost: the call is no create by name, so they are counted."""
    app = params["app"]
    before = {address["ip"] for address in client.addresses(app)}

    def look() -> bool | None:
        return any(fits(a, wanted) and a["ip"] not in before for a in client.addresses(app)) or None

    def make() -> bool:
        client.assign_address(app, body(wanted))
        return True

    make_once(look, make, params["api_retries"], context.clock)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge the addresses of one app."""
    validate(params)
    client, app = Fly(params, context.clock), params["app"]

    def present(observed: list[Address]) -> dict[str, Any]:
        by_kind: dict[str, Any] = {}
        for address in observed:
            by_kind.setdefault(kind(address), []).append(address["ip"])
        return by_kind

    handlers = {"assign": partial(assign, client, params, context), "release": partial(client.release_address, app)}
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
