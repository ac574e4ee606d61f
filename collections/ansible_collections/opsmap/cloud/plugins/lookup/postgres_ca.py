# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_ca
short_description: Certificate of the authority of a DigitalOcean PostgreSQL cluster
version_added: 0.1.0
author:
  - opsmap contributors (@opsmap)
description:
  - Gives the PEM text that C(sslmode=verify-full) is checked against. DigitalOcean's servers have no public certificate.
  - It is no secret. In check mode a cluster that is not there yet gives an empty text.
options:
  _terms:
    description: Names of clusters.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - opsmap.cloud.digitalocean.plugin
"""

EXAMPLES = r"""
- name: Write the authority's certificate
  ansible.builtin.copy:
    content: "{{ lookup('opsmap.cloud.postgres_ca', 'supercog') }}"
    dest: postgres-ca.crt
    mode: "0644"
"""

RETURN = r"""
_raw:
  description: One PEM text for each cluster.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import ENGINE, pick
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.plugin_utils.lookup_variables import rendered


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        known = rendered(self._templar, variables, ("opsmap_digitalocean_", "opsmap_api_", "opsmap_ca_"))
        self.set_options(var_options=known, direct=kwargs)
        try:
            client = DigitalOcean({name: self.get_option(name) for name in OPTIONS})
            return [authority(client, name, bool((variables or {}).get("ansible_check_mode"))) for name in terms]
        except CloudError as error:
            raise AnsibleError(f"postgres_ca: {error}") from None


def authority(client: DigitalOcean, cluster: str, check_mode: bool) -> str:
    """The PEM text of one cluster."""
    found = pick(client.clusters(), cluster, ENGINE)
    if found:
        return client.authority(str(found["id"]))
    if check_mode:
        return ""
    problem = f"there is no cluster {cluster!r}"
    raise CloudError(problem, "digitalocean", "get authority", hint="make it with do_database_cluster")
