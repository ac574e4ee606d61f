#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: do_database_cluster_info
short_description: Read DigitalOcean PostgreSQL clusters with what belongs to them
version_added: 0.1.0
description:
  - Gives one cluster, or all of the team. Changes nothing. The result holds no passwords.
options:
  name:
    description: Name of a cluster. All of them when not given. There is nothing where it is missing.
    type: str
  tag:
    description: Only clusters with this tag.
    type: str
  details:
    description:
      - What to read of each cluster beside itself, one call each.
      - V(ca) is the authority that its servers' certificates are of, for C(sslmode=verify-full).
    type: list
    elements: str
    choices: [autoscale, backups, ca, config, databases, pools, replicas, rules, service_cnames]
    default: [backups, ca, databases, pools, replicas, rules]
extends_documentation_fragment:
  - opsmap.cloud.digitalocean
  - opsmap.cloud.wait.unused
  - opsmap.cloud.attributes.info
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: See a cluster with all that belongs to it
  opsmap.cloud.do_database_cluster_info:
    name: supercog
  register: found

- name: Write the authority to a file for sslmode=verify-full
  ansible.builtin.copy:
    content: "{{ found.resource.clusters[0].ca }}"
    dest: postgres-ca.crt
    mode: "0644"
"""

RETURN = r"""
resource:
  description:
    - The clusters by name, each as the API gives it, without passwords, and with the details that were asked for.
    - C(ca) is the PEM text itself, C(ca_base64) is it as the API gives it. C(backups) are newest first.
  returned: always
  type: dict
  sample:
    clusters:
      - name: supercog
        status: online
        backups: [{created_at: '2026-01-02T03:00:00Z', size_gigabytes: 0.03}]
        databases: [{name: defaultdb}]
        pools: []
        replicas: []
        rules: [{type: ip_addr, value: 203.0.113.7}]
"""

import base64
from collections.abc import Callable
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import ENGINE
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import scrubbed

DETAILS = ["autoscale", "backups", "ca", "config", "databases", "pools", "replicas", "rules", "service_cnames"]
USUAL = ["backups", "ca", "databases", "pools", "replicas", "rules"]
SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str"},
        "tag": {"type": "str"},
        "details": {"type": "list", "elements": "str", "choices": DETAILS, "default": USUAL},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Read clusters."""
    client = DigitalOcean(params, context.clock)
    readers: dict[str, Callable[[str], Any]] = {
        "autoscale": client.autoscale,
        "backups": client.backups,
        "config": client.config,
        "databases": client.databases,
        "pools": client.pools,
        "replicas": client.replicas,
        "rules": client.rules,
        "service_cnames": client.service_cnames,
    }

    def whole(cluster: dict[str, Any]) -> dict[str, Any]:
        number = str(cluster["id"])
        more = {key: readers[key](number) for key in params["details"] if key in readers}
        if "ca" in params["details"]:
            pem = client.authority(number)
            more |= {"ca": pem, "ca_base64": base64.b64encode(pem.encode()).decode()}
        return {**cluster, **more}

    clusters = [item for item in client.clusters(params["tag"]) if item.get("engine", ENGINE) == ENGINE]
    found = [item for item in clusters if params["name"] in (None, item.get("name"))]
    shown = [scrubbed(whole(item)) for item in sorted(found, key=lambda item: str(item.get("name")))]
    return {"changed": False, "resource": {"clusters": shown}}


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
