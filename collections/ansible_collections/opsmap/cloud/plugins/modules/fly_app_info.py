#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_app_info
short_description: Read apps of Fly.io with their addresses, certificates and names of secrets
version_added: 0.1.0
description:
  - Gives one app, or all of an organization. Changes nothing.
options:
  name:
    description: Name of the app. Give it or O(org). There is nothing where the app is missing.
    type: str
  org:
    description: Slug of an organization, to read all of its apps.
    type: str
  details:
    description: Whether to read addresses, certificates and secrets too, three calls for each app.
    type: bool
    default: true
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait.unused
  - opsmap.cloud.attributes.info
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: See what an app has
  opsmap.cloud.fly_app_info:
    name: supercog-dashboard
  register: dashboard

- name: Count the apps of an organization
  opsmap.cloud.fly_app_info:
    org: supercog
    details: false
  register: all_apps
"""

RETURN = r"""
resource:
  description:
    - The apps by name, each as the API gives it.
    - With details, C(addresses) by kind, C(certificates) in short, and C(secrets) with name, digest and times. Values cannot be read.
  returned: always
  type: dict
  sample:
    apps:
      - name: supercog-dashboard
        status: deployed
        organization: {slug: supercog}
        addresses: {shared_v4: [66.241.124.1], v6: ['2a09:8280:1::1']}
        certificates: [{hostname: app.example.com, status: active}]
        secrets: [{name: REDIS_URL, digest: 1f3a9c44a0b17c21}]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_present import present_addresses
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_read import Reader, answer
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str"},
        "org": {"type": "str"},
        "details": {"type": "bool", "default": True},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "mutually_exclusive": [("name", "org")],
    "required_one_of": [("name", "org")],
}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Read apps."""
    client = Fly(params, context.clock)
    reader = Reader(client)
    found = [client.find_app(params["name"])] if params["name"] else reader.apps(params["org"])
    apps = sorted((app for app in found if app), key=lambda app: str(app["name"]))
    if params["details"]:
        apps = [
            {
                **app,
                "addresses": present_addresses(client.addresses(app["name"])),
                "certificates": reader.certificates(app["name"]),
                "secrets": reader.secrets(app["name"]),
            }
            for app in apps
        ]
    return answer({"apps": apps}, reader)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
