# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fly
short_description: Machines of Fly.io as hosts
version_added: 0.1.0
author:
  - opsmap contributors (@opsmap)
description:
  - Every machine is a host, called as the machine is. Names are unique in an app only; where two machines have one name, the
    id is put behind both of them.
  - Hosts are in the group C(fly), and in C(app_<app>), C(region_<region>), C(process_<process group>) and C(state_<state>).
    Characters that a group cannot have become underscores.
  - Each host has the variables C(fly_id), C(fly_name), C(fly_app), C(fly_region), C(fly_group), C(fly_state), C(fly_image),
    C(fly_private_ip), C(fly_release), C(fly_instance_id), C(fly_host_status) and C(fly_metadata).
  - C(ansible_host) is C(<id>.vm.<app>.internal), which a WireGuard peer of the organization resolves while the machine runs.
    Addresses change, this name does not. O(compose) sets another one.
  - The name of the file ends in C(fly.yml) or C(fly.yaml).
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [opsmap.cloud.fly]
  apps:
    description: Apps to read. Give them or O(org). An app that is missing has no machines and gives a warning.
    type: list
    elements: str
    default: []
  org:
    description:
      - Slug of the organization whose machines are all read. This list is some seconds behind.
      - Regions that do not answer are named in a warning.
    type: str
    env:
      - name: FLY_ORG
  filters:
    description: Which machines are hosts; all of it must hold.
    type: dict
    default: {}
    suboptions:
      region:
        description: Region, or a list of them.
        type: raw
      group:
        description: Process group, or a list of them.
        type: raw
      state:
        description: State, or a list of them.
        type: raw
      metadata:
        description: Keys and values that the metadata must have.
        type: dict
extends_documentation_fragment:
  - opsmap.cloud.fly.plugin
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
"""

EXAMPLES = r"""
# agents.fly.yml
plugin: opsmap.cloud.fly
apps: [supercog-agents-prod, supercog-dashboard-prod]
api_token: "{{ lookup('ansible.builtin.env', 'FLY_API_TOKEN') }}"
filters:
  state: [started]
keyed_groups:
  - {key: fly_release, prefix: release}
groups:
  unhealthy_host: fly_host_status not in ['ok', '']
compose:
  ansible_host: fly_private_ip
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: .cache/inventory
cache_timeout: 300
"""

from collections import Counter
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_read import Reader, shown_machines
from ansible_collections.opsmap.cloud.plugins.plugin_utils.in_process import plain

FILTERS = {"region", "group", "state", "metadata"}
VARIABLES = (
    "id",
    "name",
    "app",
    "region",
    "group",
    "state",
    "image",
    "private_ip",
    "release",
    "instance_id",
    "host_status",
    "metadata",
)
GROUPS = (("app", "app"), ("region", "region"), ("process", "group"), ("state", "state"))


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "opsmap.cloud.fly"

    def verify_file(self, path: str) -> bool:
        """Only files whose names say it."""
        return bool(super().verify_file(path)) and path.endswith(("fly.yml", "fly.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Read machines, from the cache where that is wanted and there."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        wanted = self.get_option("cache")
        machines = self._cache.get(key) if wanted and cache else None
        if machines is None:
            try:
                machines = self._machines()
            except CloudError as error:
                raise AnsibleParserError(f"{path}: {error}") from None
            if wanted:
                self._cache[key] = machines
        for name, machine in named(machines):
            self._add(name, machine)

    def _given(self, option: str) -> Any:
        """An option, rendered; lookups and extra variables may be used in it."""
        templar = self.templar.copy_with_new_env(available_variables=self._vars)
        return plain(templar.template(self.get_option(option)))

    def _machines(self) -> list[dict[str, Any]]:
        """Presented machines: without environment and files, so that the cache holds no secret."""
        apps, org, filters = self._given("apps"), self._given("org"), self._given("filters") or {}
        if bool(apps) == bool(org):
            found = "both are given" if apps else "none is given"
            raise bad_option("apps, org", found, "give apps: [...] or org: <slug>")
        if set(filters) - FILTERS:
            unknown = ", ".join(sorted(set(filters) - FILTERS))
            raise bad_option("filters", f"{unknown} is not known", f"use {', '.join(sorted(FILTERS))}")
        if not self._given("api_token"):
            raise bad_option("api_token", "is empty", "set it in the file or in FLY_API_TOKEN")
        client = Fly({name: self._given(name) for name in OPTIONS})
        reader, found = Reader(client), []
        for app in apps:
            if client.find_app(app):
                found += reader.machines(app, None)
            else:
                self.display.warning(f"inventory of Fly.io: there is no app {app}")
        found += reader.machines(None, org) if org else []
        for warning in reader.warnings:
            self.display.warning(f"inventory of Fly.io: {warning}")
        return [shown for shown, _dummy in shown_machines(found, filters)]

    def _add(self, name: str, machine: dict[str, Any]) -> None:
        variables = {f"fly_{key}": machine[key] for key in VARIABLES}
        variables["ansible_host"] = f"{machine['id']}.vm.{machine['app']}.internal"
        self.inventory.add_group("fly")
        self.inventory.add_host(name, group="fly")
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for prefix, key in GROUPS:
            if machine[key]:
                group = self.inventory.add_group(self._sanitize_group_name(f"{prefix}_{machine[key]}"))
                self.inventory.add_host(name, group=group)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), {}, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, name, strict=strict)


def named(machines: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Machines under names of their own."""
    count = Counter(machine["name"] for machine in machines)
    return [
        (machine["name"] if count[machine["name"]] == 1 else f"{machine['name']}-{machine['id']}", machine)
        for machine in machines
    ]
