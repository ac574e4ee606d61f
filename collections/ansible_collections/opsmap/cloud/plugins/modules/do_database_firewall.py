#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_firewall
short_description: Set the trusted sources of a DigitalOcean PostgreSQL cluster
version_added: 0.1.0
description:
  - A cluster without trusted sources lets everyone in who has a password. That needs O(allow_everyone).
  - Sources are compared by type and value; an address and its C(/32) are the same. Descriptions are not compared.
options:
  cluster:
    description: Name of the cluster.
    type: str
  cluster_uuid:
    description: Uuid of the cluster, instead of its name.
    type: str
  rules:
    description: The trusted sources, at most 100.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description: Kind of source.
        type: str
        choices: [ip_addr, droplet, k8s, tag, app]
        default: ip_addr
      value:
        description: IPv4 address or CIDR, or the id or name of the source. DigitalOcean takes no IPv6.
        type: str
        required: true
      description:
        description: A remark.
        type: str
  purge:
    description: Whether other sources are removed. With V(false) the given ones are added to them.
    type: bool
    default: true
  allow_everyone:
    description: Whether the cluster may be open to every address.
    type: bool
    default: false
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Let in the egress address of the apps and nobody else
  opsmap.cloud.do_database_firewall:
    cluster: supercog
    rules:
      - value: 203.0.113.7
        description: egress of the apps in ewr

- name: Let everyone in who has a password
  opsmap.cloud.do_database_firewall:
    cluster: supercog
    rules: []
    allow_everyone: true
"""

RETURN = r"""
resource:
  description: The trusted sources as the API gives them, or null when there is no cluster.
  returned: always
  type: dict
  sample: {rules: [{type: ip_addr, value: 203.0.113.7}]}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["set trusted sources: add ip_addr 203.0.113.7"]
"""

import ipaddress
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import (
    CLUSTER_OPTIONS,
    CLUSTER_REQUIRED,
    SERVICE,
    home_cluster,
    when_free,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

TYPES = ["ip_addr", "droplet", "k8s", "tag", "app"]
SPEC: dict[str, Any] = {
    "argument_spec": {
        **CLUSTER_OPTIONS,
        "rules": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "type": {"type": "str", "choices": TYPES, "default": "ip_addr"},
                "value": {"type": "str", "required": True},
                "description": {"type": "str"},
            },
        },
        "purge": {"type": "bool", "default": True},
        "allow_everyone": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_one_of": CLUSTER_REQUIRED,
}
MOST = 100

Identity = tuple[str, str]


def identity(rule: dict[str, Any]) -> Identity:
    """What makes a rule the same rule: not its uuid, which every write renews."""
    value = str(rule["value"])
    return rule["type"], value.removesuffix("/32") if rule["type"] == "ip_addr" else value


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    for rule in params["rules"]:
        if rule["type"] != "ip_addr":
            continue
        try:
            network = ipaddress.ip_network(rule["value"])
        except ValueError as problem:
            raise bad_option("rules", str(problem), "give an IPv4 address or CIDR, as 203.0.113.7") from None
        if network.version == 6:
            raise bad_option(
                "rules", f"{rule['value']} is IPv6, which DigitalOcean does not take", "give IPv4 addresses"
            )
        if network.prefixlen == 0 and not params["allow_everyone"]:
            raise bad_option("rules", f"{rule['value']} is every address", "set allow_everyone to true if it is meant")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed sources to the desired ones."""
    present = {identity(rule): rule for rule in (observed or {}).get("rules") or []}
    given = {identity(rule): rule for rule in params["rules"]}
    wanted = given if params["purge"] else {**present, **given}
    if not wanted and not params["allow_everyone"]:
        raise bad_option(
            "rules", "no source is left, which lets everyone in", "give rules, or set allow_everyone to true"
        )
    if len(wanted) > MOST:
        raise bad_option("rules", f"{len(wanted)} sources are too many", f"DigitalOcean takes {MOST}; use CIDR or tags")
    if wanted.keys() == present.keys():
        return Plan()
    result = Plan({"rules": _shown(present)}, {"rules": _shown(wanted)})
    if not wanted:
        result.warnings.append("the cluster is open to every address; only passwords protect it")
    adds, removes = _shown(wanted.keys() - present.keys()), _shown(present.keys() - wanted.keys())
    words = [f"add {', '.join(adds)}"] * bool(adds) + [f"remove {', '.join(removes)}"] * bool(removes)
    rules = [_body(wanted[key], present.get(key, {})) for key in sorted(wanted)]
    result.add("replace", f"set trusted sources: {'; '.join(words)}", rules=rules)
    return result


def _shown(keys: Any) -> list[str]:
    return [f"{kind} {value}" for kind, value in sorted(keys)]


def _body(rule: dict[str, Any], present: dict[str, Any]) -> dict[str, Any]:
    description = rule.get("description") or present.get("description")
    kind, value = identity(rule)
    return {"type": kind, "value": value, **({"description": description} if description else {})}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge the trusted sources of one cluster."""
    validate(params)
    client = DigitalOcean(params, context.clock)
    home = home_cluster(client, {**params, "state": "present"}, context)
    cluster = str(home["id"]) if home else ""

    def observe() -> dict[str, Any] | None:
        return {"rules": client.rules(cluster)} if cluster else None

    def replace(rules: list[dict[str, Any]]) -> None:
        when_free("trusted sources", lambda: client.replace_rules(cluster, rules), context.patience(params))
        target = {identity(rule) for rule in rules}
        wait_for(
            "trusted sources",
            lambda: {identity(rule) for rule in client.rules(cluster)},
            lambda seen: seen == target,
            context.patience(params),
            service=SERVICE,
        )

    return converge(
        observe,
        lambda observed: plan(params, observed),
        lambda made: apply(made, {"replace": replace}, context),
        lambda observed: observed,
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
