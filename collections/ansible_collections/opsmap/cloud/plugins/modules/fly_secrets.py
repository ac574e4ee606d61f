#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_secrets
short_description: Set the secrets of a Fly.io app
version_added: 0.1.0
description:
  - Writes only what differs, all at once. Machines see new values when M(opsmap.cloud.fly_machines) rolls them out.
  - Fly.io never gives a secret back. Each machine's metadata carries, for every secret, a keyed fingerprint of the value and
    the digest that the server listed. A secret is unchanged when both still hold, so a foreign change is seen.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  secrets:
    description: Names and values.
    type: dict
    required: true
  fingerprint_key:
    description: Key of the fingerprints. The API token when not given; then a new token writes the secrets once more.
    type: str
  purge:
    description: Delete secrets that are not listed.
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
- name: Set the secrets
  opsmap.cloud.fly_secrets:
    app: supercog-agents
    secrets:
      OPENAI_API_KEY: "{{ openai_api_key }}"
    fingerprint_key: "{{ opsmap_fingerprint_key }}"
  register: secrets
"""

RETURN = r"""
resource:
  description: Names of the secrets, the version that holds them (null when nothing was written), and the record for the machines.
  returned: always
  type: dict
  sample: {names: [OPENAI_API_KEY], version: 3, record: "OPENAI_API_KEY:2f1e9c44a0b1:7c211433f022"}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [set secret OPENAI_API_KEY]
"""

import hashlib
import hmac
import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import RECORD, metadata
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "secrets": {"type": "dict", "required": True, "no_log": True},
        "fingerprint_key": {"type": "str", "no_log": True},
        "purge": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    for name, value in params["secrets"].items():
        if not NAME.fullmatch(str(name)):
            raise bad_option("secrets", f"{name!r} is no name", "use letters, digits and underscores, no digit first")
        if value is None or isinstance(value, (dict, list)):
            raise bad_option(
                "secrets", f"the value of {name} is no text", "give a string; leave the name out to not set it"
            )


def text(value: Any) -> str:
    """The value as it is sent: booleans as ``true`` and ``false``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def fingerprint(params: dict[str, Any], name: str) -> str:
    """Keyed hash of a value; metadata is visible to the whole organization, so never a bare one."""
    key = params["fingerprint_key"] or params["api_token"]
    message = f"{params['app']}\0{name}\0{text(params['secrets'][name])}"
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()[:12]


def record(params: dict[str, Any], digests: dict[str, str]) -> str:
    """What the machines keep: name, fingerprint and digest of every secret."""
    return ",".join(
        f"{name}:{fingerprint(params, name)}:{digests.get(name, '')[:12]}" for name in sorted(params["secrets"])
    )


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed digests and records to the wanted values."""
    digests = (observed or {}).get("digests") or {}
    known = {entry for text in (observed or {}).get("records") or [] for entry in text.split(",")}
    result = Plan(before=dict.fromkeys(sorted(digests), "present"))
    result.after = dict(result.before)
    for name in sorted(params["secrets"]):
        if name in digests and f"{name}:{fingerprint(params, name)}:{digests[name][:12]}" in known:
            continue
        result.after[name] = "changed" if name in digests else "present"
        result.add("set", f"set secret {name}", name=name)
    for name in sorted(set(digests) - set(params["secrets"])) if params["purge"] else []:
        del result.after[name]
        result.add("delete", f"delete secret {name}", name=name)
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge the secrets of one app."""
    validate(params)
    client, app, version = Fly(params, context.clock), params["app"], None
    digests = client.secrets(app)
    machines = client.listed(app, "machines") or []
    records = [metadata(machine).get(RECORD, "") for machine in machines]
    the_plan = plan(params, {"digests": digests, "records": records})
    changed = [step.args["name"] for step in the_plan.steps]
    if changed and not context.check_mode:
        for step in the_plan.steps:
            context.report(step.title)
        given = params["secrets"]
        version = client.set_secrets(app, {n: Secret(text(given[n])) if n in given else None for n in changed})
        digests = client.secrets(app)
    elif changed:
        digests = {name: digest for name, digest in digests.items() if name not in changed}
    return {
        "changed": the_plan.changed,
        "diff": the_plan.diff(),
        "plan": [step.title for step in the_plan.steps],
        "resource": {"names": sorted(params["secrets"]), "version": version, "record": record(params, digests)},
    }


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
