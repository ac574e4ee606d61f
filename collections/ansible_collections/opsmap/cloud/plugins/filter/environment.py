# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the name of an environment where a play's hosts are chosen, so that a typo cannot select nothing."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.opsmap.cloud.plugins.plugin_utils import preload  # noqa: F401 - see there
from jinja2 import pass_context

DOCUMENTATION = r"""
name: environment
short_description: The name of an environment, checked against the inventory
version_added: 0.1.0
description:
  - Returns the name unchanged when the inventory has hosts named C(SERVICE.NAME).
  - Fails with the list of environments otherwise, and when C(--limit) names only hosts of another environment.
options:
  _input:
    description: Name of the environment.
    type: str
    required: true
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Every app of one environment
  hosts: "fly_apps:&{{ env | default('local') | opsmap.cloud.environment }}"
"""

RETURN = r"""
_value:
  description: The name.
  type: str
"""


@pass_context
def environment(context: Any, name: str) -> str:
    """The name, if hosts of that environment exist and the limit leaves one."""
    known = sorted({host.rsplit(".", 1)[1] for host in context["groups"]["all"] if "." in host})
    if name not in known:
        raise AnsibleFilterError(f"env: there is no environment {name!r}; known are {', '.join(known)}")
    limit = context.get("ansible_limit") or ""
    limited = {part.rsplit(".", 1)[1] for part in limit.split(",") if part.rpartition(".")[2] in known and "." in part}
    if limited and name not in limited:
        other = sorted(limited)[0]
        raise AnsibleFilterError(f"env: --limit {limit} names no host of {name!r}; add -e env={other}")
    return name


class FilterModule:
    """Filters of the project."""

    def filters(self) -> dict[str, Any]:
        return {"environment": environment}
