#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_certificate
short_description: Converge certificates for host names of a Fly.io app
version_added: 0.1.0
description:
  - Host routing on a shared address needs a certificate object for every custom host name, even for plain HTTP.
  - Does not wait for a certificate unless O(wait=true), since it becomes active only after DNS points to the app.
  - Returns the DNS records to create, as data and as a table. They are printed too while a certificate is not active.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  hostname:
    description: One host name or several. A wildcard is written V(*.example.com).
    type: list
    elements: str
    required: true
  fullchain:
    description:
      - A certificate of one's own in PEM, the host's first, then those that signed it. Without it Fly.io gets one by ACME.
      - Uploaded when the server has none, or one with another end or kind of key, which is all that can be read back.
        A certificate that has expired or does not name the host is refused.
      - Leaving it out later asks for one by ACME. The uploaded one is served first until O(state=absent) removes it.
    type: str
  private_key:
    description: The key of O(fullchain) in PEM.
    type: str
  state:
    description: Whether the host names should be there. V(absent) removes their certificates of both kinds.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: Wait until all certificates are active.
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
- name: Serve the product's hosts
  opsmap.cloud.fly_certificate:
    app: supercog-dashboard
    hostname: [app.supercog.example, engine.supercog.example]
  register: certificates

- name: Show the records to create
  ansible.builtin.debug:
    msg: "{{ certificates.table.splitlines() }}"

- name: Serve a certificate of our own
  opsmap.cloud.fly_certificate:
    app: supercog-dashboard
    hostname: intern.supercog.example
    fullchain: "{{ lookup('ansible.builtin.file', 'intern.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'intern.key') }}"
"""

RETURN = r"""
resource:
  description: By host name, the certificate as the API gives it. Host names without one are not in it.
  returned: always
  type: dict
  sample: {app.supercog.example: {hostname: app.supercog.example, status: pending_validation}}
records:
  description: DNS records that the certificates need, and what each is for.
  returned: always
  type: list
  elements: dict
  sample: [{type: AAAA, name: app.supercog.example, value: "2a09:8280:1::1", for: traffic}]
table:
  description: The same records in aligned columns.
  returned: always
  type: str
  sample: "TYPE  NAME  VALUE  FOR"
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
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_certificates import (
    Certificate,
    limited,
    now,
    pending,
    plan_upload,
    records,
    remarks,
    shown,
    table,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._pem import leaf
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "hostname": {"type": "list", "elements": "str", "required": True},
        "fullchain": {"type": "str"},
        "private_key": {"type": "str", "no_log": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "wait": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_together": [("fullchain", "private_key")],
}
HOSTNAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    for hostname in params["hostname"]:
        if not HOSTNAME.fullmatch(hostname):
            raise bad_option("hostname", f"{hostname!r} is no host name", "use lower-case labels joined by dots")
    if params["fullchain"] is None:
        return
    try:
        given = leaf(params["fullchain"])
    except ValueError as error:
        raise bad_option("fullchain", str(error), "give the PEM text of the host's certificate first") from None
    if given.expires <= now():
        raise bad_option("fullchain", f"it has expired on {given.expires:%Y-%m-%d}", "give a renewed certificate")
    foreign = [hostname for hostname in params["hostname"] if not given.covers(hostname)]
    if foreign:
        hint = "put the host's own certificate first, or name it there"
        raise bad_option("fullchain", f"it is for {', '.join(given.names) or 'no host'}, not for {foreign[0]}", hint)
    if "PRIVATE KEY" not in params["private_key"]:
        raise bad_option("private_key", "there is no private key in it", "give the PEM text of the key, not encrypted")


def plan(params: dict[str, Any], observed: dict[str, Certificate] | None) -> Plan:
    """Steps from the observed certificates, by host name, to the wanted ones."""
    seen = observed or {}
    result = Plan()
    for hostname in dict.fromkeys(params["hostname"]):
        held = seen.get(hostname)
        if params["state"] == "absent":
            if held:
                result.before[hostname] = shown(held)
                result.add("delete", f"delete certificate {hostname}", hostname=hostname)
        elif params["fullchain"] is not None:
            plan_upload(result, hostname, held, params["fullchain"])
        elif held is None or held.get("acme_requested") is False:
            result.after[hostname] = {"source": "fly"}
            result.add("request", f"request certificate {hostname}", hostname=hostname)
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge the certificates of some host names."""
    validate(params)
    client, app, hostnames = Fly(params, context.clock), params["app"], params["hostname"]

    def look() -> dict[str, Certificate]:
        found = {hostname: client.certificate(app, hostname) for hostname in hostnames}
        return {hostname: certificate for hostname, certificate in found.items() if certificate}

    def upload(hostname: str) -> None:
        client.upload_certificate(app, hostname, params["fullchain"], Secret(params["private_key"]))

    handlers = {
        "request": lambda hostname: client.request_certificate(app, hostname),
        "upload": upload,
        "delete": lambda hostname: client.delete_certificate(app, hostname),
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
            f"certificates of {app}",
            look,
            lambda seen: pending(hostnames, seen) == [],
            context.patience(params),
            failed=lambda seen: limited(seen, now()),
            state=lambda seen: "; ".join(pending(hostnames, seen)),
            service="fly",
        )
    return told(result, hostnames, context)


def told(result: dict[str, Any], hostnames: list[str], context: Context) -> dict[str, Any]:
    """The result with the records to create, and what an operator must know."""
    seen = result["resource"]
    result["records"] = [record for hostname in hostnames for record in records(hostname, seen.get(hostname))]
    result["table"] = table(result["records"])
    if pending(list(seen), seen):
        for line in result["table"].splitlines():
            context.report(line)
    warnings = [text for hostname in hostnames for text in remarks(hostname, seen.get(hostname), now())]
    if warnings:
        result["warnings"] = [*result.get("warnings", []), *warnings]
    return result


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
