#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_certificate
short_description: Request a certificate for a host name of a Fly.io app
version_added: 0.1.0
description:
  - Host routing on a shared address needs a certificate object for every custom host name, even for plain HTTP.
  - Does not wait for the certificate unless O(wait=true), since it becomes active only after DNS points to the app.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  hostname:
    description: Host name, or a wildcard such as V(*.example.com).
    type: str
    required: true
  state:
    description: Whether the host name should be there.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: Wait until the certificate is active.
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
- name: Serve the product's host
  opsmap.cloud.fly_certificate:
    app: supercog-dashboard
    hostname: app.supercog.example
  register: certificate

- name: Show the records to create
  ansible.builtin.debug:
    var: certificate.records
"""

RETURN = r"""
resource:
  description: The certificate as the API gives it, or null.
  returned: always
  type: dict
  sample: {hostname: app.supercog.example, status: pending_validation}
records:
  description: DNS records that the certificate needs.
  returned: always
  type: list
  elements: dict
  sample: [{type: AAAA, name: app.supercog.example, value: "2a09:8280:1::1"}]
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [request certificate app.supercog.example]
"""

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "hostname": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "wait": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}
HOSTNAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not HOSTNAME.fullmatch(params["hostname"]):
        raise bad_option("hostname", f"{params['hostname']!r} is no host name", "use lower-case labels joined by dots")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed certificate to the wanted one."""
    hostname = params["hostname"]
    if params["state"] == "absent":
        result = Plan(before={"hostname": hostname} if observed else {})
        if observed:
            result.add("delete", f"delete certificate {hostname}")
        return result
    result = Plan(after={"hostname": hostname})
    if observed is None:
        result.add("create", f"request certificate {hostname}")
    return result


def records(hostname: str, certificate: dict[str, Any] | None) -> list[dict[str, str]]:
    """The records to create, from ``dns_requirements``."""
    needs = (certificate or {}).get("dns_requirements") or {}
    found = [{"type": "A", "name": hostname, "value": value} for value in needs.get("a") or []]
    found += [{"type": "AAAA", "name": hostname, "value": value} for value in needs.get("aaaa") or []]
    challenge = needs.get("acme_challenge") or {}
    if challenge.get("name") and challenge.get("target"):
        found.append({"type": "CNAME", "name": challenge["name"], "value": challenge["target"]})
    return found


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one host name."""
    validate(params)
    client, app, hostname = Fly(params, context.clock), params["app"], params["hostname"]

    def look() -> dict[str, Any] | None:
        return client.certificate(app, hostname)

    handlers = {
        "create": lambda: client.request_certificate(app, hostname),
        "delete": lambda: client.delete_certificate(app, hostname),
    }
    result = converge(
        look,
        lambda observed: plan(params, observed),
        lambda made: apply(made, handlers, context),
        lambda observed: observed,
        context,
    )
    if params["wait"] and params["state"] == "present" and not context.check_mode:
        result["resource"] = wait_for(
            f"certificate {hostname}",
            look,
            lambda seen: bool(seen) and (seen or {}).get("status") == "active",
            context.patience(params),
            state=lambda seen: str((seen or {}).get("status")),
            service="fly",
        )
    result["records"] = records(hostname, result["resource"])
    return result


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
