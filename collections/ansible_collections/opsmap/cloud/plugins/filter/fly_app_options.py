# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays what a playbook gives over what a fly.toml states."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_merge import KEYS, options
from ansible_collections.opsmap.cloud.plugins.plugin_utils.in_process import plain

DOCUMENTATION = r"""
name: fly_app_options
short_description: Options of fly_machines from a fly.toml and what is given beside it
version_added: 0.1.0
description:
  - What is given wins over the file. Top-level keys of O(config) replace those of the file in every group; C(env), C(checks),
    C(metadata) and C(guest) are merged key by key.
  - Empty values count as not given.
positional: _input
options:
  _input:
    description: What P(opsmap.cloud.fly_toml#lookup) returned; empty when there is no file.
    type: dict
    required: true
  name:
    description: Name of the app, to be compared with that in the file.
    type: str
  process_group:
    description: Process group, when there is no file.
    type: str
  count:
    description:
      - Machines by region, for every group; or group to machines by region.
      - A group that is not named gets one machine in the file's primary region, or in V(ewr).
    type: dict
  image:
    description: Image to run.
    type: str
  config:
    description: Machine config in the API's words.
    type: dict
  env:
    description: Environment variables.
    type: dict
  files:
    description: Files for all machines; one of the same C(guest_path) in the file is replaced.
    type: list
    elements: dict
  mount:
    description: Volume pool and path. Only for an app of one group.
    type: dict
  strategy:
    description: How machines are replaced.
    type: str
  max_unavailable:
    description: Share or number of machines that may be down at once.
    type: float
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: See the machines that a fly.toml asks for, two in each group
  ansible.builtin.debug:
    msg: "{{ lookup('opsmap.cloud.fly_toml', 'fly.toml') | opsmap.cloud.fly_app_options(count={'ewr': 2}) }}"
"""

RETURN = r"""
_value:
  description:
    - Options of M(opsmap.cloud.fly_machines). One group comes as C(process_group), C(count) and C(mount), several as C(groups).
      What nobody states is left out.
    - Besides them C(services) of all groups, all C(regions), C(conflicts), a list of what does not go together, and
      C(port_problems), a list of external ports that are none or that two services of a group share.
  type: dict
"""


def fly_app_options(file: Any, **given: Any) -> dict[str, Any]:
    """The options; see the documentation above."""
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise AnsibleFilterError(f"fly_app_options: unknown option {', '.join(unknown)}; known are {', '.join(KEYS)}")
    return options(plain(file or {}), plain(given))


class FilterModule:
    """Filters of the project."""

    def filters(self) -> dict[str, Any]:
        return {"fly_app_options": fly_app_options}
