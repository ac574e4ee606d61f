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
    description: Name of the app; up to 63 lower-case letters, digits and dashes. Names are global on Fly.io.
    type: str
    required: true
  org:
    description:
      - Slug of the organization. V(personal) is an alias of the token's own organization and is not compared.
      - An app cannot be moved to another one; a different slug for an existing app is an error.
    type: str
    default: personal
  network:
    description:
      - Name of a private network of its own; letters, digits and dashes, a letter first. Made on first use.
      - The organization's network when not given. It is fixed when the app is made.
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

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import Field, differences
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_errors import not_made, not_ours
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
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
ALIAS = "personal"


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    name, network = params["name"], params["network"]
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise bad_option(
            "name", f"{name!r} is no app name", "use up to 63 lower-case letters, digits and dashes, no dash at an end"
        )
    if network is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", network):
        raise bad_option("network", f"{network!r} is no network", "use letters, digits and dashes, a letter first")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", params["org"]):
        raise bad_option("org", f"{params['org']!r} is no slug", "give the slug that fly orgs list shows, not the name")


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
    compared = wanted if params["org"] != ALIAS else {**wanted, "org": None}
    differences(f"app {name}", FIELDS, compared, observed)
    return Plan()


class App:
    """The calls for one app, with Fly's refusals in words."""

    def __init__(self, client: Fly, params: dict[str, Any], context: Context) -> None:
        self.client, self.params, self.context = client, params, context
        self.name: str = params["name"]

    def find(self) -> dict[str, Any] | None:
        """The app, or None where the name is free."""
        try:
            return self.client.find_app(self.name)
        except CloudError as error:
            raise not_ours(error, self.name, self.client.token_scopes()) if error.status == 403 else error from None

    def visible(self) -> dict[str, Any] | None:
        """The app once it can be read: right after it was made the answer may be 401, 403 or 404."""
        try:
            return self.client.find_app(self.name)
        except CloudError as error:
            if error.status in (401, 403):
                return None
            raise

    def make(self) -> dict[str, Any]:
        """Make it; the answer's shape varies, so that only its success counts."""
        org = self.params["org"]
        try:
            self.client.create_app(self.name, org, self.params["network"])
        except CloudError as error:
            raise not_made(error, org, self.client.token_scopes()) from None
        return {"name": self.name}

    def create(self) -> None:
        """Make it once, even when the answer is lost, and wait until it can be read."""
        patience = self.context.patience(self.params)
        make_once(self.find, self.make, self.params["api_retries"], self.context.clock)
        wait_for(f"app {self.name}", self.visible, bool, patience, service="fly")

    def delete(self) -> None:
        """Delete it, which takes a moment."""
        self.client.delete_app(self.name)
        patience = self.context.patience(self.params)
        wait_for(f"end of app {self.name}", self.find, lambda app: not app, patience, service="fly")


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one app."""
    validate(params)
    client = Fly(params, context.clock)
    known = client.regions() if params["regions"] else []
    unknown = [region for region in params["regions"] if region not in known]
    if unknown:
        raise bad_option("regions", f"Fly.io has no {', '.join(unknown)}", f"use one of {', '.join(known)}")
    app = App(client, params, context)
    return converge(
        app.find,
        lambda observed: plan(params, observed),
        lambda made: apply(made, {"create": app.create, "delete": app.delete}, context),
        lambda observed: observed,
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
