#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_machines_info
short_description: Read machines of Fly.io and the releases that they have had
version_added: 0.1.0
description:
  - Gives the machines of an app or of all apps of an organization. Changes nothing.
  - Environment and files of a machine are left out, since they may hold what is not for everybody.
options:
  app:
    description: Name of the app. Give it or O(org). There is nothing where the app is missing.
    type: str
  org:
    description:
      - Slug of an organization, to read all of its apps. This list is some seconds behind.
      - Regions that do not answer are named in a warning.
    type: str
  region:
    description: Only machines in these regions.
    type: list
    elements: str
    default: []
  group:
    description: Only machines of these process groups.
    type: list
    elements: str
    default: []
  state:
    description: Only machines in these states, such as V(started) and V(stopped).
    type: list
    elements: str
    default: []
  metadata:
    description: Only machines with all of these keys and values in their metadata.
    type: dict
    default: {}
  versions:
    description: Whether to read the releases, one call for each machine.
    type: bool
    default: false
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait.unused
  - opsmap.cloud.attributes.info
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: See what runs and what ran before
  opsmap.cloud.fly_machines_info:
    app: supercog-agents
    versions: true
  register: agents

- name: Return to the release before the last one
  opsmap.cloud.fly_machines:
    app: supercog-agents
    state: previous
    release: "{{ agents.resource.releases[2].id }}"
  when: agents.resource.releases | length > 2
"""

RETURN = r"""
resource:
  description:
    - C(machines) in order of app, name and id. C(release) is the id of the release that a machine runs.
    - C(releases) is there when asked for, by app and newest first, with the machines that have had it and those that run it now.
      C(id) is what O(opsmap.cloud.fly_machines#module:release) takes; releases of other tools have none, only a C(number).
  returned: always
  type: dict
  sample:
    machines:
      - id: 3d8d9014a3d789
        app: hello
        name: hello-app-ewr-1
        group: app
        region: ewr
        state: started
        image: registry.fly.io/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        private_ip: 'fdaa:0:1::2'
        release: 20261124T101500Z
        metadata: {fly_process_group: app}
    releases:
      - id: 20261124T101500Z
        number: '2'
        app: hello
        time: '2026-11-24T10:15:00Z'
        image: registry.fly.io/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        groups: [app]
        machines: [hello-app-ewr-1]
        running: [hello-app-ewr-1]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_read import Reader, answer, shown_machines
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str"},
        "org": {"type": "str"},
        "region": {"type": "list", "elements": "str", "default": []},
        "group": {"type": "list", "elements": "str", "default": []},
        "state": {"type": "list", "elements": "str", "default": []},
        "metadata": {"type": "dict", "default": {}},
        "versions": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "mutually_exclusive": [("app", "org")],
    "required_one_of": [("app", "org")],
}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Read machines."""
    reader = Reader(Fly(params, context.clock))
    filters = {key: params[key] for key in ("region", "group", "state", "metadata")}
    pairs = shown_machines(reader.machines(params["app"], params["org"]), filters)
    found: dict[str, Any] = {"machines": [shown for shown, dummy in pairs]}
    if params["versions"]:
        found["releases"] = reader.releases([source for dummy, source in pairs])
    return answer(found, reader)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
