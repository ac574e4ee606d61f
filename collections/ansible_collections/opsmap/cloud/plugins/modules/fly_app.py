#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_app
short_description: Make or remove a Fly.io app
version_added: 0.1.0
description:
  - An app is the name under which machines, volumes, secrets, addresses and certificates live.
  - Every property of an app is fixed when it is made; another value for an existing app is an error.
options:
  name:
    description: Name of the app; lower-case letters, digits and dashes. Names are global on Fly.io.
    type: str
    required: true
  org:
    description: Slug of the organization. V(personal) is an alias and is not compared.
    type: str
    default: personal
  network:
    description: Name of a private network of its own. Default is the organization's network.
    type: str
  regions:
    description: Regions that the app is going to use. One that Fly.io does not have is an error, before anything is changed.
    type: list
    elements: str
    default: []
  state:
    description: Whether the app should be there. V(absent) removes its machines, volumes and secrets with it.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove an app, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make the app
  opsmap.cloud.fly_app:
    name: supercog-agents
    org: supercog

- name: Remove it with all that is in it
  opsmap.cloud.fly_app:
    name: supercog-agents
    state: absent
    confirm_destroy: supercog-agents
"""

RETURN = r"""
resource:
  description: The app as the API gives it, or null when there is none.
  returned: always
  type: dict
  sample: {name: supercog-agents, status: deployed, organization: {slug: supercog}}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create app supercog-agents]
"""

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import Field, differences
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "org": {"type": "str", "default": "personal"},
        "network": {"type": "str"},
        "regions": {"type": "list", "elements": "str", "default": []},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}
FIELDS = [Field("org", at="organization.slug", change="create"), Field("network", change="create")]


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", params["name"]):
        raise bad_option("name", f"{params['name']!r} is no app name", "use lower-case letters, digits and dashes")


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed app to the desired one."""
    name = params["name"]
    wanted = {"name": name, "org": params["org"], "network": params["network"]}
    if params["state"] == "absent":
        result = Plan(before={"name": name} if observed else {})
        if observed:
            if params["confirm_destroy"] != name:
                raise bad_option("confirm_destroy", f"is not {name!r}", "give the app's name to remove it")
            result.add("delete", f"delete app {name} with all that is in it")
        return result
    if observed is None:
        result = Plan(after={key: value for key, value in wanted.items() if value is not None})
        result.add("create", f"create app {name}")
        return result
    compared = wanted if params["org"] != "personal" else {**wanted, "org": None}
    differences(f"app {name}", FIELDS, compared, observed)
    return Plan()


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one app."""
    validate(params)
    client = Fly(params, context.clock)
    name = params["name"]
    known = client.regions() if params["regions"] else []
    unknown = [region for region in params["regions"] if region not in known]
    if unknown:
        raise bad_option("regions", f"Fly.io has no {', '.join(unknown)}", f"use one of {', '.join(known)}")

    def create() -> None:
        client.create_app(name, params["org"], params["network"])
        wait_for(f"app {name}", lambda: client.find_app(name), bool, context.patience(params), service="fly")

    def delete() -> None:
        client.delete_app(name)
        wait_for(f"end of app {name}", lambda: client.find_app(name), lambda app: not app, context.patience(params))

    return converge(
        lambda: client.find_app(name),
        lambda observed: plan(params, observed),
        lambda made: apply(made, {"create": create, "delete": delete}, context),
        lambda observed: observed,
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
