# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fly_toml
short_description: A fly.toml as options of the Fly.io modules
version_added: 0.1.0
author:
  - opsmap contributors (@opsmap)
description:
  - Reads a C(fly.toml) with the meaning that flyctl gives it, old spellings included. Nothing is asked or changed.
  - A key that flyctl does not know, a value of the wrong type and a key that cannot be honoured are problems. All of them are
    reported together, each with the path of the key. Keys that have no effect here are warnings.
options:
  _terms:
    description: Paths of the files. A relative path is looked for as that of any file, see P(ansible.builtin.file#lookup).
    type: list
    elements: str
    required: true
  problems:
    description: Return a list of the problems, empty when there are none, instead of failing because of them.
    type: bool
    default: false
notes:
  - Files that C([[files]]) names by C(local_path) are read from the folder of the C(fly.toml). Their content is part of the result.
  - The file states no numbers of machines, so groups come without C(count).
seealso:
  - module: opsmap.cloud.fly_machines
  - plugin: opsmap.cloud.fly_app_options
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See what a fly.toml asks for
  ansible.builtin.debug:
    msg: "{{ lookup('opsmap.cloud.fly_toml', 'fly.toml').machines }}"

- name: Stop when the file cannot be used
  ansible.builtin.assert:
    that: lookup('opsmap.cloud.fly_toml', 'fly.toml', problems=true) | length == 0
"""

RETURN = r"""
_raw:
  description: What each file states. Texts that are not given are empty.
  type: list
  elements: dict
  contains:
    app:
      description: Name of the app.
      type: str
    primary_region:
      description: Region of new machines.
      type: str
    console_command:
      description: Command of C(fly console). Nothing here uses it.
      type: str
    build:
      description: C(image), C(dockerfile), C(build_args), C(build_target) and C(ignorefile).
      type: dict
    machines:
      description:
        - Options of M(opsmap.cloud.fly_machines) that the file states, such as C(strategy), C(max_unavailable) and C(release_command).
        - Always C(config) and C(files), which are for all groups.
        - Always C(groups), each with C(name), C(config) and maybe C(files) and C(mount).
      type: dict
    default_group:
      description: Group that sections without C(processes) are for.
      type: str
    volumes:
      description: Volumes by group, with C(group), C(name), C(path), C(size_gb) and what else the file states of them.
      type: list
      elements: dict
    services_by_group:
      description: Group to its services, in the API's words.
      type: dict
    env:
      description: Variables of all groups, as text.
      type: dict
    deploy_wait_timeout:
      description: Seconds that a deployment may wait, or null.
      type: float
    warnings:
      description: What has no effect, or another one than it seems.
      type: list
      elements: str
"""

from functools import partial
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml import translate

display = Display()


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        return [self._one(str(term), variables or {}, self.get_option("problems")) for term in terms]

    def _one(self, term: str, variables: dict[str, Any], only_problems: bool) -> Any:
        try:
            path = self._found(term, variables)
            result, notes = translate(path.read_bytes(), partial(beside, path.parent))
        except OSError as error:
            reason = f"{term} cannot be read: {error.strerror or error}"
            return self._failed(term, [reason], only_problems)
        if only_problems or notes.problems:
            return self._failed(term, notes.problems, only_problems)
        for text in notes.warnings:
            display.warning(f"{term}: {text}")
        return result

    def _found(self, term: str, variables: dict[str, Any]) -> Path:
        """Where the file is; FileNotFoundError if it is nowhere."""
        found = self.find_file_in_search_path(variables, "files", term, ignore_missing=True)
        if not found:
            raise FileNotFoundError(2, "there is no such file")
        return Path(found)

    @staticmethod
    def _failed(term: str, problems: list[str], only_problems: bool) -> list[str]:
        if only_problems:
            return problems
        error = CloudError("\n- ".join([f"{term} cannot be used:", *problems]), code="fly_toml")
        raise AnsibleError(f"fly_toml: {error}") from None


def beside(folder: Path, path: str) -> bytes:
    """Content of a file that the fly.toml names."""
    return (folder / path).read_bytes()
