# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writes of a cluster, one at a time, each awaited: a call during another change fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_cluster import tag_set, version_of, window_of
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import SERVICE, pick, wait_online
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Handlers
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

Object = dict[str, Any]


@dataclass
class ClusterWriter:
    """One cluster; its uuid is told by whoever observes."""

    client: DigitalOcean
    params: Mapping[str, Any]
    context: Context
    cluster: str = ""

    def __post_init__(self) -> None:
        self.patience = self.context.patience(self.params)
        self.what = f"cluster {self.params['name']}"

    def handlers(self) -> Handlers:
        """By the names that the plan uses."""
        return {
            "create": self.create,
            "upgrade": self.upgrade,
            "resize": self.resize,
            "migrate": self.migrate,
            "maintain": self.maintain,
            "tag": self.tag,
            "project": self.project,
            "delete": self.delete,
        }

    def create(self, body: Object) -> None:
        """Make it, once, and wait until it is online."""

        def look() -> Object | None:
            return pick(self.client.clusters(), body["name"], body["engine"])

        def make() -> Object:
            return self.client.create_cluster(body)

        made = make_once(look, make, self.params["api_retries"], self.context.clock)
        self.cluster = str(made["id"])
        self._online()

    def upgrade(self, version: str) -> None:
        """A newer major version; it has no state of its own."""
        self.client.upgrade(self.cluster, version)
        self._online(version=(version_of, version))

    def resize(self, body: Object) -> None:
        """Size and nodes always go together; storage only when it is what changes."""
        storage = body.get("storage_size_mib")
        present = (self.client.find_cluster(self.cluster) or {}).get("storage_size_mib") or 0
        if storage is not None and storage <= present:  # the larger size brought it along
            return
        self.client.resize(self.cluster, body)
        self._online(**{key: (lambda seen: seen, value) for key, value in body.items()})

    def migrate(self, region: str) -> None:
        """To another region, with the data."""
        self.client.migrate(self.cluster, region)
        self._online(region=(str, region))

    def maintain(self, window: Object) -> None:
        """The maintenance window; not accepted at creation."""
        self.client.set_maintenance(self.cluster, window)
        self._online(maintenance_window=(window_of, window_of(window)))

    def tag(self, adds: list[str], removes: list[str]) -> None:
        """Tags have an API of their own."""
        for tag in adds:
            self.client.tag(self.cluster, tag)
        for tag in removes:
            self.client.untag(self.cluster, tag)
        self._online(tags=(tag_set, tag_set(self.params["tags"])))

    def project(self, project: str) -> None:
        """Projects have an API of their own."""
        self.client.assign_project(self.cluster, project)
        self._online(project_id=(str, project))

    def delete(self) -> None:
        """Remove it; the name may linger."""
        self.client.delete_cluster(self.cluster)
        wait_for(
            f"end of {self.what}",
            lambda: self.client.find_cluster(self.cluster),
            lambda seen: seen is None,
            self.patience,
            state=lambda seen: str((seen or {}).get("status")),
            service=SERVICE,
        )

    def _online(self, **targets: tuple[Any, Any]) -> None:
        def arrived(seen: Object) -> bool:
            return all(compare(seen.get(key)) == value for key, (compare, value) in targets.items())

        wait_online(self.client, self.cluster, self.what, self.patience, arrived)
