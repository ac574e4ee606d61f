# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fly_egress
short_description: IPv4 addresses by which Fly.io apps go out, for firewalls elsewhere
version_added: 0.1.0
author:
  - opsmap contributors (@opsmap)
description:
  - Lists the static egress addresses that the apps have, of all regions. Fly.io gives them one for each region of an app, with
    M(opsmap.cloud.fly_ip).
  - An app that is not there, or has none, adds nothing. Without a static address machines go out by any address.
options:
  _terms:
    description: Names of apps.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - opsmap.cloud.fly.plugin
"""

EXAMPLES = r"""
- name: Show by which addresses the apps go out
  ansible.builtin.debug:
    msg: "{{ query('opsmap.cloud.fly_egress', 'supercog-dashboard', 'supercog-agents') }}"
"""

RETURN = r"""
_raw:
  description: The addresses, each once, in order.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_addresses import kind
from ansible_collections.opsmap.cloud.plugins.plugin_utils.lookup_variables import rendered


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        known = rendered(self._templar, variables, ("opsmap_fly_", "opsmap_api_", "opsmap_ca_"))
        self.set_options(var_options=known, direct=kwargs)
        try:
            client = Fly({name: self.get_option(name) for name in OPTIONS})
            found = {address for app in terms for address in egress(client, app)}
        except CloudError as error:
            raise AnsibleError(f"fly_egress: {error}") from None
        return sorted(found)


def egress(client: Fly, app: str) -> list[str]:
    """Egress IPv4 addresses of an app; none for an app that is not there."""
    if client.find_app(app) is None:
        return []
    return [str(address["ip"]) for address in client.addresses(app) if kind(address) == "egress_v4"]
