# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the name of an environment where a play's hosts are chosen, so that a typo cannot select nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants
from ansible import context as command_line
from ansible.errors import AnsibleFilterError
from ansible_collections.opsmap.cloud.plugins.plugin_utils import (  # pylint: disable=unused-import
    preload,  # noqa: F401 - see there
)
from jinja2 import pass_context

DOCUMENTATION = r"""
name: environment
short_description: The name of an environment, checked against the inventory
version_added: 0.1.0
description:
  - Returns the name unchanged when the inventory has hosts named C(SERVICE.NAME).
  - Fails with the list of environments otherwise, and when C(--limit) names only hosts of another environment.
  - Fails when C(group_vars/NAME/vault.yml) beside the inventory is encrypted and no vault password is given.
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
    for path in _vaults(name):
        if path.read_bytes().startswith(b"$ANSIBLE_VAULT") and not _password_given():
            remedy = "add --ask-vault-pass or --vault-password-file, or set ANSIBLE_VAULT_PASSWORD_FILE"
            raise AnsibleFilterError(
                f"env: group_vars/{name}/vault.yml is encrypted and no password is given; {remedy}"
            )
    return name


def _vaults(name: str) -> list[Path]:
    """The environment's encrypted variables, beside each inventory."""
    sources = [Path(source) for source in command_line.CLIARGS.get("inventory") or constants.DEFAULT_HOST_LIST]
    folders = [source if source.is_dir() else source.parent for source in sources]
    files = [folder / "group_vars" / name / "vault.yml" for folder in folders]
    return [path for path in files if path.is_file()]


def _password_given() -> bool:
    given = command_line.CLIARGS
    return bool(
        given.get("ask_vault_pass")
        or given.get("vault_password_files")
        or given.get("vault_ids")
        or constants.DEFAULT_VAULT_PASSWORD_FILE
        or constants.DEFAULT_VAULT_IDENTITY_LIST
    )


class FilterModule:
    """Filters of the project."""

    def filters(self) -> dict[str, Any]:
        return {"environment": environment}
